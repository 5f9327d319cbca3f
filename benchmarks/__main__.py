"""The budgets, measured: start-up as a ratio to a bare Python, `plan`, `isolate`, and a large staged run.

Run with a cluster at hand: `helm-safe sandbox exec -- python -m benchmarks`; `python -m benchmarks krm` measures the
KRM function and needs none. One line per budget; exit 1 when one
is exceeded. Start-up is the median of runs taken in turn with the bare interpreter, so a slow machine slows both.
`python -m benchmarks decisions` needs no cluster: scenarios against what the gates decide.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.charts import maps, route, workloads, write_chart

ROOT = Path(__file__).resolve().parent.parent
RUNS = 15
OBJECTS = 300
NAMESPACE = "helm-safe-benchmark"
BARE = [sys.executable, "-c", "pass"]


def milliseconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return (time.perf_counter() - start) * 1000


def above_bare(arguments: list[str]) -> tuple[float, float]:
    """Median milliseconds above a bare interpreter, and the ratio to it."""
    pairs = [(milliseconds([sys.executable, "-m", "helm_safe", *arguments]), milliseconds(BARE)) for _ in range(RUNS)]
    return (
        statistics.median(ours - bare for ours, bare in pairs),
        statistics.median(ours / bare for ours, bare in pairs),
    )


@contextmanager
def released(*parts: str, tags: Sequence[str] = ("1", "2"), wait: bool = False) -> Iterator[None]:
    """A release `bench` with a revision per tag; uninstalled afterwards."""
    helm = shutil.which("helm") or "helm"
    try:
        with tempfile.TemporaryDirectory() as folder:
            chart = write_chart(Path(folder), *parts)
            for tag in tags:
                command = [helm, "upgrade", "--install", "bench", str(chart), "-n", NAMESPACE, "--create-namespace"]
                command += ["--set-string", f"tag={tag}", *(["--wait"] if wait else [])]
                subprocess.run(command, check=True, capture_output=True)
        yield
    finally:
        subprocess.run([helm, "uninstall", "bench", "-n", NAMESPACE, "--wait"], capture_output=True, check=False)


def plan_budget() -> tuple[float, float, int, int]:
    """Seconds, peak MB, API calls besides dry runs, and dry runs of one `plan` over 300 objects."""
    with released(workloads(1, 1), route("w0"), maps(OBJECTS - 3)):
        plan = [sys.executable, "-m", "helm_safe", "plan", "bench", "1", "-n", NAMESPACE, "-o", "json"]
        start = time.perf_counter()
        subprocess.run(plan, capture_output=True, cwd=ROOT, check=False)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return seconds, peak, *count_calls()


def isolate_budget() -> float:
    """Seconds from Enter to the route's write; the proof by warm-up requests is in them."""
    backends = "[{name: w0, port: 80, weight: 50}, {name: w1, port: 80, weight: 50}]"
    good = route("w1").split("---")[1]
    with released(workloads(1, 2), route("w0", backends), tags=("1",), wait=True), standing(workloads(2, 2), good):
        return until_isolated()


@contextmanager
def standing(*parts: str) -> Iterator[None]:
    """The second workload as a release of its own: the backend that is known to be good."""
    helm, text = shutil.which("helm") or "helm", "\n---\n".join(parts).replace("until 2", "list 1")
    try:
        with tempfile.TemporaryDirectory() as folder:
            chart = str(write_chart(Path(folder), text))
            command = [helm, "upgrade", "--install", "good", chart, "-n", NAMESPACE, "--wait"]
            subprocess.run(command, check=True, capture_output=True)
        yield
    finally:
        subprocess.run([helm, "uninstall", "good", "-n", NAMESPACE, "--wait"], capture_output=True, check=False)


def until_isolated() -> float:
    from helm_safe.core.objects import dig
    from helm_safe.kube.cluster import KubeCluster
    from helm_safe.model.errors import Unreachable

    cluster = KubeCluster.connect(os.environ)
    routes = cluster.served().preferred("gateway.networking.k8s.io", "HTTPRoute")
    if routes is None:
        raise Unreachable("this cluster serves no HTTPRoute")
    since = cluster.list(routes, NAMESPACE).resource_version
    command = [sys.executable, "-m", "helm_safe", "isolate", "bench", "-n", NAMESPACE, "--yes"]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        for _, route_ in cluster.watch(routes, NAMESPACE, since=since, seconds=30):
            if dig(route_, "spec", "rules", 0, "backendRefs", 0, "weight") == 0:
                seconds = time.perf_counter() - start
                process.wait()
                return seconds
    return float("inf")


def staged_budget() -> dict[str, float]:
    """Peak MB and API calls per second of a staged run over 50 workloads and 500 pods."""
    with released(workloads(50, 10), route("w0"), wait=True):
        command = [sys.executable, "-m", "benchmarks.staged", NAMESPACE, "bench"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found


def count_calls() -> tuple[int, int]:
    """API calls of one plan besides dry runs, and the dry runs, counted by the client itself."""
    from benchmarks.world import open_world
    from helm_safe.kube.cluster import KubeCluster
    from helm_safe.model.revisions import Release
    from helm_safe.model.settings import Settings
    from helm_safe.report.live import JsonLinesReporter
    from helm_safe.rollback.prepare import prepare

    cluster = KubeCluster.connect(os.environ)
    world = open_world(cluster, JsonLinesReporter(), Path(os.devnull))
    prepare(world, Release(NAMESPACE, "bench"), 1, Settings())
    dry = sum(count for (verb, _), count in cluster.client.calls.items() if verb == "PATCH")
    return sum(cluster.client.calls.values()) - dry, dry


def main() -> int:
    if sys.argv[1:2] == ["decisions"]:
        from benchmarks import decisions

        return decisions.main(sys.argv[2:])
    return budgets()


def budgets() -> int:
    help_ms, help_ratio = above_bare(["--help"])
    version_ms, version_ratio = above_bare(["--version"])
    seconds, peak, calls, dry = plan_budget()
    isolated = isolate_budget()
    staged = staged_budget()
    rows = [
        ("--help above bare Python", help_ms, 80, f"ms ({help_ratio:.1f}x)"),
        ("--version above bare Python", version_ms, 30, f"ms ({version_ratio:.1f}x)"),
        (f"plan of {OBJECTS} objects", seconds, 3, "s"),
        (f"its API calls besides {dry} dry runs", calls, 60, "calls"),
        ("its peak memory", peak, 150, "MB"),
        ("isolate, from Enter to the write", isolated, 1, "s"),
        ("staged run over 50 workloads and 500 pods, peak memory", staged["peak"], 150, "MB"),
        ("its API calls while it watches, at their busiest", staged["calls"], 2, "per second"),
    ]
    for name, value, budget, unit in rows:
        print(f"{'ok ' if value <= budget else 'OVER'} {name}: {value:.4g} {unit}, budget {budget}")
    return int(any(value > budget for _, value, budget, _ in rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["krm"]:
        from benchmarks import krm

        sys.exit(krm.main())
    sys.exit(main())
