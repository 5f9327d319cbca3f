"""The budgets of the KRM function: start to exit for one Deployment, own time and memory for 1,000 and 10,000.

`python -m benchmarks krm`; needs no cluster. Judged is the processor time of the process, which on an idle machine is
the time on the clock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory, TemporaryFile
from textwrap import dedent
from typing import NamedTuple

from helm_safe.core.yamlio import load

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "krm_fn"]
BARE = [sys.executable, "-c", "pass"]
# As installed: compiled files are kept.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

_HEAD = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n"
_TAIL = """\
functionConfig:
  apiVersion: helm-safe.dev/v1alpha1
  kind: RolloutDefaults
  metadata:
    annotations:
      config.kubernetes.io/function: "exec: {path: helm-safe-krm}"
    name: defaults
  spec:
    probes: {}
"""


def resource_list(count: int) -> bytes:
    """A ResourceList as kustomize writes it, with so many Deployments of a JVM, 2.3 kB each."""
    return (_HEAD + "".join(_items(count)) + _TAIL).encode()


def _items(count: int) -> Iterator[str]:
    deployment = (Path(__file__).parent / "deployment.yaml").read_text()
    return (deployment.replace("NUMBER", str(n)) for n in range(count))


class Run(NamedTuple):
    """One run of a process. cpu: seconds of its own, user and system; wall: from start to exit; peak: megabytes."""

    cpu: float
    wall: float
    peak: float
    output: bytes


def run(command: list[str], text: bytes) -> Run:
    with TemporaryFile() as given, TemporaryFile() as taken:
        given.write(text)
        given.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdin=given, stdout=taken)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}")
        taken.seek(0)
        return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, taken.read())


def best(command: list[str], text: bytes, runs: int) -> Run:
    """The run that took least of its own time: what else the machine does only adds."""
    return min((run(command, text) for _ in range(runs)), key=lambda each: each.cpu)


def kyaml_row() -> list[tuple[str, float, float, str]]:
    """Our time as a share of that of the same injection in Go; nothing where there is no Go."""
    go = shutil.which("go")
    if go is None:
        print("--  kyaml: no Go here, not compared")
        return []
    with TemporaryDirectory() as folder:
        program = f"{folder}/kyaml"
        subprocess.run([go, "build", "-o", program, "."], cwd=Path(__file__).parent / "kyaml", check=True)
        text = resource_list(1000)
        pairs = [(run(COMMAND, text), run([program], text)) for _ in range(5)]
    ours, theirs = (min(each, key=lambda run: run.wall) for each in zip(*pairs, strict=True))
    if load(ours.output.decode())["items"] != load(theirs.output.decode())["items"]:
        sys.exit("the kyaml function gives other objects")
    name = f"1,000 Deployments, share of kyaml's {theirs.wall:.2f} s and {theirs.peak:.0f} MB"
    return [(name, ours.wall / theirs.wall, 0.4, "")]


def main() -> int:
    bare, one = best(BARE, b"", 20), best(COMMAND, resource_list(1), 20)
    if one.output.count(b"startupProbe:") != 1:
        sys.exit("the benchmark's Deployment got no probes")
    thousand, many = best(COMMAND, resource_list(1000), 5), best(COMMAND, resource_list(10_000), 2)
    with NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(dedent(_TAIL.partition("\n")[2]))
        config.flush()
        stream = "---\n".join(dedent(f"  {each[2:]}") for each in _items(1000)).encode()
        filtered = best([*COMMAND, "filter", "-c", config.name], stream, 5)
    rows = [
        *kyaml_row(),
        (
            f"one Deployment (bare Python {bare.cpu * 1000:.0f} ms, wall {one.wall * 1000:.0f})",
            one.cpu * 1000,
            60,
            "ms",
        ),
        (f"1,000 Deployments above one (wall {thousand.wall:.2f})", thousand.cpu - one.cpu, 0.35, "s"),
        ("1,000 Deployments, peak memory", thousand.peak, 150, "MB"),
        (f"filter over 1,000 Deployments (wall {filtered.wall:.2f})", filtered.cpu, 0.5, "s"),
        ("10,000 against 1,000", (many.cpu - one.cpu) / (thousand.cpu - one.cpu), 12, "times"),
    ]
    for name, value, budget, unit in rows:
        print(f"{'ok ' if value <= budget else 'OVER'} {name}: {value:.3g} {unit}, budget {budget}")
    return int(any(value > budget for _, value, budget, _ in rows))
