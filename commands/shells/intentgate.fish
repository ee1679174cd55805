# Completion of intentgate for fish: intentgate completion fish > ~/.config/fish/completions/intentgate.fish
function __intentgate_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    # Words are handed on as they stand; nothing is evaluated.
    set -l lines ($program __complete $words "$current" 2>/dev/null)
    for line in $lines
        switch $line
            case :nothing
            case :files
                set -l prefix (string match -r -- '^--[a-z-]+=' "$current")
                for path in (__fish_complete_path (string replace -- "$prefix" "" "$current"))
                    printf '%s%s\n' "$prefix" $path
                end
            case '*'
                printf '%s\n' $line
        end
    end
end
complete -c intentgate -f -a '(__intentgate_complete)'
