#compdef intentgate
# Completion of intentgate for zsh: source <(intentgate completion zsh), after compinit.
_intentgate() {
  local program=${(Q)words[1]} line value help last=:nothing
  local -a lines described
  [[ $program == '~'* ]] && program=${~program}
  # Words are handed on as they stand, unquoted; nothing is evaluated.
  lines=("${(@f)$("$program" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  for line in "${lines[@]}"; do
    case $line in
      (:files|:nothing) last=$line ;;
      (*$'\t'*)
        value=${line%%$'\t'*} help=${line#*$'\t'}
        described+=("${value//:/\\:}:$help")
        ;;
      (?*) described+=("${line//:/\\:}") ;;
    esac
  done
  if [[ $last == :files ]]; then
    [[ $PREFIX == --*=* ]] && compset -P '*='
    _files
    return
  fi
  (( ${#described} )) || return 1
  _describe -t values intentgate described
}
if (( ${+functions[compdef]} )); then
  compdef _intentgate intentgate
fi
if [[ ${funcstack[1]} == _intentgate ]]; then
  _intentgate "$@"
fi
