"""The program: picks the command, and is the one place where errors become words and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from helm_safe import __version__
from helm_safe.cli.commands import COMMANDS, DEFAULT, HIDDEN, RESERVED
from helm_safe.model.errors import FAILED, INTERRUPTED, OK, UNKNOWN, HelmSafeError, UsageError

VALUE_FLAGS = {"-n", "--namespace", "--kube-context", "--kubeconfig"}  # may stand before the command


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of docs/exit-codes.md. No exception leaves it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(arguments)
    except HelmSafeError as error:
        return _tell(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201 - the boundary speaks plainly
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away; a second flush at exit would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - the one boundary
        from helm_safe.cli.crash import tell_crash

        tell_crash(error)
        return UNKNOWN


def _main(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        print(f"helm-safe {__version__}")  # noqa: T201 - needs no reporter
        return OK
    name, rest = choose(arguments)
    if not name:
        print(_help())  # noqa: T201 - needs no reporter
        return OK
    from helm_safe.cli.options import Parser

    place, description = COMMANDS[name]
    module = importlib.import_module(place)
    parser = Parser(prog=_prog(name), description=description)
    module.add_arguments(parser)
    try:
        args = parser.parse_args(rest)
    except SystemExit as end:  # --help of a command
        return int(end.code or 0)
    args.command = name
    code: int = module.run(args)
    return code


def choose(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command and the arguments without its name; ("", []) asks for the general help.

    The first word that is neither a flag nor the value of a global flag names the command; any other word is a release
    to roll back. Raises UsageError for the reserved names.
    """
    position = _first_word(arguments)
    if position is None:
        helpful = not arguments or any(word in ("-h", "--help") for word in arguments)
        return ("", []) if helpful else (DEFAULT, list(arguments))
    word = arguments[position]
    if word == "help":
        return "", []
    if word in RESERVED:
        raise UsageError(
            f"the command {word!r} is reserved for later", f"A release of that name is reached with `run {word}`."
        )
    if word in COMMANDS:
        return word, [*arguments[:position], *arguments[position + 1 :]]
    return DEFAULT, list(arguments)


def _first_word(arguments: Sequence[str]) -> int | None:
    """Position of the first word that is neither a flag nor the value of a global one."""
    skip = False
    for index, word in enumerate(arguments):
        if skip:
            skip = False
        elif word in VALUE_FLAGS:
            skip = True
        elif not word.startswith("-"):
            return index
    return None


def _prog(name: str) -> str:
    base = "helm safe-rollback" if os.environ.get("HELM_PLUGIN_NAME") else "helm-safe"
    return base if name == DEFAULT else f"{base} {name}"


def _help() -> str:
    base = _prog(DEFAULT)
    width = max(len(name) for name in COMMANDS)
    rows = [f"  {name:<{width}}  {words}" for name, (_, words) in COMMANDS.items() if name not in HIDDEN]
    return "\n".join(
        [
            "Roll a Helm release back with checks, saved evidence and a verified result.",
            "",
            f"Usage: {base} RELEASE [REVISION] [flags]",
            f"       {base} COMMAND ... [flags]",
            "",
            "Commands:",
            *rows,
            "",
            f"`{base} COMMAND --help` tells more. A release named like a command: `{base} run RELEASE`.",
            "Exit codes: 0 done · 1 failed before the release was touched · 2 usage · 3 blocked · 4 outcome unknown ·",
            "            5 a person must act · 130 interrupted, resumable",
        ]
    )


def _tell(error: HelmSafeError) -> int:
    from helm_safe.core.printable import printable

    lines = [f"Error: {printable(error.message)}"]
    if error.next_step:
        lines.append(printable(error.next_step, multiline=True))
    print("\n".join(lines), file=sys.stderr)  # noqa: T201 - the boundary speaks plainly
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
