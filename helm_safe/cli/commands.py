"""The table of commands: name, module and one line of help; a module is imported only when its command runs."""

from __future__ import annotations

# Plain tuples: typing alone would cost half of what --version may take.
# Each module offers `add_arguments(parser)` and `run(args) -> int`.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("helm_safe.cli.rollback", "the guarded rollback; also without this word: RELEASE [REVISION]"),
    "plan": ("helm_safe.cli.plan", "checks, strategy and steps of a rollback; changes nothing"),
    "check": ("helm_safe.cli.check", "findings only; changes nothing"),
    "forward": ("helm_safe.cli.forward", "a guarded helm upgrade by the same stages: RELEASE CHART"),
    "rehearse": ("helm_safe.cli.rehearse", "one pod of the target away from all traffic, judged and removed"),
    "history": ("helm_safe.cli.history", "revisions, with the evidence that each was good or bad"),
    "autopsy": ("helm_safe.cli.autopsy", "why it fails, and the evidence saved; changes nothing in the cluster"),
    "status": ("helm_safe.cli.status", "the run under way or the last one, from any machine"),
    "isolate": ("helm_safe.cli.isolate", "all users to a backend that has proved itself, now"),
    "pause": ("helm_safe.cli.request", "let a run hold at its next safe point"),
    "promote": ("helm_safe.cli.request", "pass the gate of the step under way, or approve what the run waits for"),
    "resume": ("helm_safe.cli.resume", "go on with a run that was interrupted"),
    "abort": ("helm_safe.cli.abort", "stop a run and put back what it changed"),
    "report": ("helm_safe.cli.report", "a run for a review: HTML, Markdown or JSON"),
    "snapshot": ("helm_safe.cli.snapshot", "photograph the state that will not travel back, for a later rollback"),
    "watchdog": (
        "helm_safe.cli.watchdog",
        "the guard of a run, which puts users where they are safe when it is left alone",
    ),
    "notify": ("helm_safe.cli.notify", "who is told of a run: list them, or send each a test message"),
    "rbac": ("helm_safe.cli.rbac", "the least Role that a run needs, as a manifest"),
    "kustomize": ("helm_safe.cli.kustomize", "deploy a Kustomize build as a release, with history and rollback"),
    "krm": ("helm_safe.cli.krm", "the KRM function for Kustomize and kpt; also the program helm-safe-krm"),
    "completion": ("helm_safe.cli.completion", "shell completion for bash, zsh, fish and PowerShell"),
    "sandbox": ("helm_safe.cli.sandbox", "a disposable real cluster on this machine"),
    "__complete": ("helm_safe.cli.candidates", "candidates for a shell"),
}

HIDDEN = ("__complete",)
RESERVED = ("doctor", "explain", "verify", "config", "version")
DEFAULT = "run"
