"""The demo's safe run: carried out with its people around it, approved, and where asked killed and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from helm_safe.model.errors import INTERRUPTED

if TYPE_CHECKING:
    from helm_safe.cli.demo import Tell
    from helm_safe.sandbox.demo.people import People
    from helm_safe.sandbox.demo.stage import Done, Stage

OURS = (sys.executable, "-m", "helm_safe")
LONG = 600.0  # seconds after which nobody asks for approval any more


def approved(stage: Stage, command: list[str], told: People, tell: Tell) -> Done:
    """Carry it out; once it asks for approval, somebody who was told gives it."""
    from helm_safe.sandbox.demo.stage import RELEASE

    def colleague() -> None:
        if told.waiting.wait(LONG):
            tell(f"whoever was paged: helm safe-rollback promote {RELEASE}")
            stage.safe("promote", RELEASE, fails=True)

    threading.Thread(target=colleague, daemon=True).start()
    return carried_out(command, stage.env)


def killed(stage: Stage, words: list[str], told: People, tell: Tell) -> Done:
    """SIGKILL while it waits for approval, which is given all the same; another process goes on."""
    from helm_safe.sandbox.demo.stage import RELEASE

    follow([*OURS, *words], stage.env, doomed=told.waiting)
    tell("the run's process was killed (SIGKILL) while it waited; it is approved, and another process resumes it")
    stage.safe("promote", RELEASE)
    return follow([*OURS, "resume", RELEASE, "-n", stage.namespace], stage.env)


def carried_out(command: list[str], env: dict[str, str]) -> Done:
    """Run safe-rollback: with its screen where somebody looks, else with its lines."""
    from helm_safe.cli import terminal

    if not terminal.on_a_terminal():
        return follow(command, env)
    done = terminal.show(command, {**env, "NO_COLOR": os.environ.get("NO_COLOR", "")})
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt  # Ctrl-C went to the run, and meant the demo
    return done


def follow(command: list[str], env: dict[str, str], doomed: threading.Event | None = None) -> Done:
    """Run safe-rollback and pass its own lines on as they come. doomed: once it is set, the process is killed."""
    lines = []
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        if doomed:
            threading.Thread(target=_kill, args=(doomed, child), daemon=True).start()
        for text in child.stdout or ():
            lines.append(text)
            print(f"          {text}", end="", file=sys.stderr, flush=True)  # noqa: T201 - the run's own story
    return subprocess.CompletedProcess(command, child.returncode, "".join(lines), "")


def _kill(doomed: threading.Event, child: subprocess.Popen[str]) -> None:
    if doomed.wait(LONG):
        child.kill()
