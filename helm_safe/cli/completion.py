"""`completion SHELL`: the script that teaches a shell to complete `helm-safe`.

The scripts know no command and no flag: they ask `helm-safe __complete`, so they need no renewal after an upgrade.
Behind Helm they are not needed at all: `helm completion` reaches the plugin by itself.
"""

from __future__ import annotations

import argparse

from helm_safe.model.errors import OK

BASH = """\
# bash completion for helm-safe: source <(helm-safe completion bash)
_helm_safe() {
    local IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]} answer line value
    answer=$("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$current" 2>/dev/null) || return
    [[ $current == = ]] && current=
    COMPREPLY=()
    for line in ${answer%:*}; do
        value=${line%%$'\\t'*}
        [[ $value == "$current"* ]] && COMPREPLY+=("$value")
    done
    [[ ${answer##*:} == 0 ]] && compopt -o default
}
complete -F _helm_safe helm-safe
"""

ZSH = """\
#compdef helm-safe
# zsh completion for helm-safe: source <(helm-safe completion zsh), or save it as _helm-safe in a folder of $fpath
_helm_safe() {
    local -a lines offers
    local line directive
    lines=("${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    directive=${lines[-1]}
    for line in "${(@)lines[1,-2]}"; do
        [[ -n $line ]] && offers+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}")
    done
    (( $#offers )) && _describe -V helm-safe offers
    [[ $directive == :0 ]] && _files
    return 0
}
if [[ ${funcstack[1]} == _helm-safe ]]; then _helm_safe "$@"; else compdef _helm_safe helm-safe; fi
"""

FISH = """\
# fish completion for helm-safe: helm-safe completion fish | source
function __helm_safe_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer (command $words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    test (count $answer) -gt 1; and printf '%s\\n' $answer[1..-2]
    test "$answer[-1]" = ":0"; and __fish_complete_path "$current"
end
complete -c helm-safe -f -a '(__helm_safe_complete)'
"""

POWERSHELL = """\
# PowerShell completion for helm-safe: helm-safe completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName helm-safe -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($wordToComplete -and $words.Count) { $words = @($words | Select-Object -SkipLast 1) }
    $answer = @(& "$($commandAst.CommandElements[0])" __complete @words "$wordToComplete" 2>$null)
    $answer | Select-Object -SkipLast 1 | ForEach-Object {
        $value, $text = $_ -split "`t", 2
        if (-not $text) { $text = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $text)
    }
}
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=tuple(SCRIPTS), help="the shell to write a script for")


def run(args: argparse.Namespace) -> int:
    print(SCRIPTS[args.shell], end="")  # noqa: T201 - the script is the product
    return OK
