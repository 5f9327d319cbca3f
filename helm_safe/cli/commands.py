"""The table of commands: name, module and one line of help; a module is imported only when its command runs."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One row: the module offers `add_arguments(parser)` and `run(args) -> int`."""

    module: str
    help: str
    hidden: bool = False


COMMANDS: dict[str, Command] = {
    "run": Command("helm_safe.cli.rollback", "the guarded rollback; also without this word: RELEASE [REVISION]"),
    "plan": Command("helm_safe.cli.plan", "checks, strategy and steps of a rollback; changes nothing"),
    "check": Command("helm_safe.cli.check", "findings only; changes nothing"),
    "history": Command("helm_safe.cli.history", "revisions, with the evidence that each was good or bad"),
    "status": Command("helm_safe.cli.status", "the run under way or the last one, from any machine"),
    "resume": Command("helm_safe.cli.resume", "go on with a run that was interrupted"),
    "abort": Command("helm_safe.cli.abort", "stop a run and put back what it changed"),
    "rbac": Command("helm_safe.cli.rbac", "the least Role that a run needs, as a manifest"),
    "completion": Command("helm_safe.cli.completion", "shell completion for bash, zsh, fish and PowerShell"),
    "sandbox": Command("helm_safe.cli.sandbox", "a disposable real cluster on this machine"),
    "__complete": Command("helm_safe.cli.completion", "candidates for a shell", hidden=True),
}

RESERVED = ("doctor", "explain", "verify", "config", "version")
DEFAULT = "run"
