"""The budgets, measured: start-up as a ratio to a bare Python, and `plan` for a release of 300 objects.

Run with a cluster at hand: `helm-safe sandbox exec -- python -m benchmarks`. One line per budget; exit 1 when one
is exceeded. Start-up is the median of runs taken in turn with the bare interpreter, so a slow machine slows both.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def write_chart(folder: Path) -> None:
    """A chart with one Deployment and as many ConfigMaps as it takes."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("tag: '1'\n")
    maps = (
        "{{- range untilStep 0 COUNT 1 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c{{ . }}}\n"
        "data: {key: v{{ $.Values.tag }}}\n{{- end }}\n"
    )
    deployment = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bench}\nspec:\n  replicas: 1\n"
        "  selector: {matchLabels: {app: bench}}\n  template:\n    metadata: {labels: {app: bench}}\n    spec:\n"
        "      containers: [{name: app, image: 'sandbox/bench:{{ .Values.tag }}'}]\n"
    )
    (folder / "templates" / "all.yaml").write_text(deployment + maps.replace("COUNT", str(OBJECTS - 1)))


def plan_budget() -> tuple[float, float, int, int]:
    """Seconds, peak MB, API calls besides dry runs, and dry runs of one `plan` over 300 objects."""
    helm = shutil.which("helm") or "helm"
    with tempfile.TemporaryDirectory() as folder:
        write_chart(Path(folder))
        for tag in ("1", "2"):
            command = [helm, "upgrade", "--install", "bench", folder, "-n", NAMESPACE, "--create-namespace"]
            subprocess.run([*command, "--set-string", f"tag={tag}"], check=True, capture_output=True)
    try:
        plan = [sys.executable, "-m", "helm_safe", "plan", "bench", "1", "-n", NAMESPACE, "-o", "json"]
        start = time.perf_counter()
        subprocess.run(plan, capture_output=True, cwd=ROOT, check=False)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return seconds, peak, *count_calls()
    finally:
        subprocess.run([helm, "uninstall", "bench", "-n", NAMESPACE], capture_output=True, check=False)


def count_calls() -> tuple[int, int]:
    """API calls of one plan besides dry runs, and the dry runs, counted by the client itself."""
    from helm_safe.helm.releases import open_releases
    from helm_safe.journal.clock import SystemClock
    from helm_safe.kube.cluster import KubeCluster
    from helm_safe.model.revisions import Release
    from helm_safe.model.settings import Settings
    from helm_safe.report.live import JsonLinesReporter
    from helm_safe.rollback.context import World
    from helm_safe.rollback.prepare import prepare

    cluster = KubeCluster.connect(os.environ)
    world = World(cluster, open_releases(cluster, os.environ), SystemClock(), JsonLinesReporter(), Path(os.devnull))
    prepare(world, Release(NAMESPACE, "bench"), 1, Settings())
    dry = sum(count for (verb, _), count in cluster.client.calls.items() if verb == "PATCH")
    return sum(cluster.client.calls.values()) - dry, dry


def main() -> int:
    help_ms, help_ratio = above_bare(["--help"])
    version_ms, version_ratio = above_bare(["--version"])
    seconds, peak, calls, dry = plan_budget()
    rows = [
        ("--help above bare Python", help_ms, 80, f"ms ({help_ratio:.1f}x)"),
        ("--version above bare Python", version_ms, 30, f"ms ({version_ratio:.1f}x)"),
        (f"plan of {OBJECTS} objects", seconds, 3, "s"),
        (f"its API calls besides {dry} dry runs", calls, 60, "calls"),
        ("its peak memory", peak, 150, "MB"),
    ]
    for name, value, budget, unit in rows:
        print(f"{'ok ' if value <= budget else 'OVER'} {name}: {value:.4g} {unit}, budget {budget}")
    return int(any(value > budget for _, value, budget, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
