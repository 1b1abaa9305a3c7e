/**
 * Scripts that have a shell ask `tally complete -- WORD...` for the words that could stand where the last one is;
 * it answers with one a line, a tab, and what it is about.
 *
 * They are our own because names of counters come from whoever may count, and may hold "$(...)" or ";": no script
 * may evaluate what it is given, nor what it has asked. The generators at hand use eval, and `compgen -W`, which
 * expands its words.
 */
export const COMPLETION_SCRIPTS = {
  /** Readline takes ":" and "=" for ends of words, so a candidate is cut to what follows the last of them. */
  bash: `# tally's completion for bash
_tally() {
  local line=\${COMP_LINE:0:COMP_POINT} words candidate cut
  read -r -a words <<< "\${line//\\\\/}"
  [[ $line == *[[:space:]] ]] && words+=("")
  cut=\${words[-1]}
  cut=\${cut%"\${cut##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    [[ -n $candidate ]] && COMPREPLY+=("$(printf %q "\${candidate#"$cut"}")")
  done < <("\${words[0]}" complete -- "\${words[@]:1}" 2> /dev/null)
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _tally tally
`,
  zsh: `#compdef tally
# tally's completion for zsh
_tally() {
  local -a values shown
  local line
  while IFS= read -r line; do
    values+=("\${line%%$'\\t'*}")
    shown+=("\${line/$'\\t'/  -- }")
  done < <("\${(@Q)words[1]}" complete -- "\${(@Q)words[2,CURRENT]}" 2> /dev/null)
  if (( \${#values} )); then compadd -d shown -a values; else _files; fi
}
compdef _tally tally
`,
  fish: `# tally's completion for fish
function __tally_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] complete -- $words[2..-1] 2> /dev/null
end
complete -c tally -f -a '(__tally_complete)'
`,
} as const;
