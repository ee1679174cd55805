# Completion of intentgate for bash: source <(intentgate completion bash)
_intentgate() {
  local program=${COMP_WORDS[0]/#\~/$HOME} rest=${COMP_LINE:0:COMP_POINT}
  local -a words=()
  local index word trimmed lines line value last=:nothing prefix=
  # Bash splits at = and :, which are parts of words here: join what no space separates. Nothing is evaluated.
  for ((index = 0; index <= COMP_CWORD; index++)); do
    trimmed=${rest#"${rest%%[![:space:]]*}"}
    word=${COMP_WORDS[index]}
    ((index == COMP_CWORD)) && word=$trimmed
    if ((index == 0)) || [[ $trimmed != "$rest" ]]; then
      words+=("$word")
    else
      words[${#words[@]} - 1]+=$word
    fi
    rest=${trimmed#"$word"}
  done
  local current=${words[${#words[@]} - 1]}
  # Bash replaces only what follows the last of its own separators.
  if [[ $current == *[=:]* && ${COMP_WORDBREAKS-} == *=* ]]; then
    prefix=${current%"${current##*[=:]}"}
  fi
  COMPREPLY=()
  lines=$("$program" __complete "${words[@]:1}" 2>/dev/null) || return 0
  while IFS= read -r line; do
    case $line in
      :files | :nothing) last=$line ;;
      *)
        value=${line%%$'\t'*}
        COMPREPLY+=("${value#"$prefix"}")
        ;;
    esac
  done <<<"$lines"
  if [[ $last == :files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r value; do
      [[ -n $value ]] && COMPREPLY+=("$value")
    done < <(compgen -f -- "${current##*=}")
  fi
}
complete -F _intentgate intentgate
