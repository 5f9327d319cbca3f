"""Programs that crash: whoever waits is told which one, and what it said last."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from helm_safe.sandbox import layout
from helm_safe.sandbox.errors import SandboxError
from helm_safe.sandbox.progress import last_words
from helm_safe.sandbox.spec import Spec, new_tokens
from helm_safe.sandbox.supervisor import Supervisor

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


def supervisor(folder: Path, **scripts: str) -> Supervisor:
    """One whose programs are these shell scripts; the others sleep."""
    programs = {}
    for name in PROGRAMS:
        programs[name] = str(folder / name)
        (folder / name).write_text(f"#!/bin/sh\n{scripts.get(name.replace('-', '_'), 'exec sleep 60')}\n")
        (folder / name).chmod(0o755)
    spec = Spec("x", str(folder), programs, "", sys.executable, 1, 2, isolated=False, user_namespace=False)
    layout.write_private(spec.tokens, json.dumps(new_tokens()))
    made = Supervisor(spec)
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("name", "script", "told"),
    [
        ("etcd", "echo one; echo two >&2; exit 3", "etcd ended with code 3. Its last lines: one / two"),
        ("kube_apiserver", "kill -9 $$", "kube-apiserver ended by signal 9. Its log is empty."),
        (
            "kube_apiserver",
            "echo 'listen tcp 127.0.0.1:6443: bind: address already in use'; exit 1",
            "Port 6443 is in use: free it, or bring the sandbox up again.",
        ),
    ],
)
def test_a_crash_at_the_start_names_program_and_last_lines(tmp_path: Path, name: str, script: str, told: str) -> None:
    made = supervisor(tmp_path, **{name: script})
    try:
        with pytest.raises(SandboxError) as raised:
            made.bring_up()
    finally:
        made.stop()
    assert told in raised.value.message
    assert "\n" not in raised.value.message


def test_last_words_are_bounded_and_printable(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"early\n" * 9 + b"\x1b[31mred\x1b[0m \x07bell\xff\n\n" + b"x" * 100_000 + b"\n")
    words = last_words(log)
    assert len(words) < 2_000
    assert words.isprintable()
    log.write_text("the agent: [Errno 98] bind on address ('10.0.0.1', 10250): address already in use\n")
    assert last_words(log).startswith("Port 10250 is in use")
    assert last_words(tmp_path / "absent") == ""
