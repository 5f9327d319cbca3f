"""KRM-010: the proof that RolloutDefaults ran; Kustomize skips functions without a word where a flag is missing."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.core.annotations import DEFAULTS
from krm_fn.rules.build import Build, Violation


def check(build: Build) -> Iterator[Violation]:
    for workload in build.workloads:
        if not workload.item.annotations.get(DEFAULTS):
            yield Violation(
                "KRM-010",
                workload.item,
                ("metadata", "annotations", DEFAULTS),
                f"No RolloutDefaults looked after {workload.item}: its probes and canary defaults are missing.",
                "Build with --enable-alpha-plugins --enable-exec, or pipe the build through helm-safe-krm filter.",
            )
