"""The proof that RolloutDefaults ran: Kustomize skips functions without a word where a flag is missing."""

from __future__ import annotations

from typing import Any

from helm_safe.core.annotations import DEFAULTS
from helm_safe.core.objects import dig
from krm_fn.config import choose
from krm_fn.errors import FOUND, UsageError
from krm_fn.functions import known_functions
from krm_fn.pods import Workload, workloads
from krm_fn.process import Outcome
from krm_fn.resourcelist import read_stream
from krm_fn.selection import is_meant

REMEDY = "Build with --enable-alpha-plugins --enable-exec, or pipe the build through helm-safe-krm filter."


def verify(text: str, config: Any = None) -> Outcome:
    """Whether every workload of a stream of documents carries the marker; no workload at all proves nothing.

    config: the RolloutDefaults, whose selection says which workloads are meant; None: all. What a controller made of
    another object is left out. Raises KrmError.
    """
    spec: dict[str, Any] = {"workloads": []}
    if config is not None:
        function, spec, _ = choose(config, known_functions())
        if function.kind != "RolloutDefaults":
            raise UsageError(f"verify takes a config of kind RolloutDefaults, not {function.kind}")
    every = workloads(read_stream(text).items, spec["workloads"])
    meant = [
        each for each in every if is_meant(spec, each.item) and not dig(each.item.data, "metadata", "ownerReferences")
    ]
    missing = [each for each in meant if not each.item.annotations.get(DEFAULTS)]
    if not meant:
        return Outcome(
            "", (f"error: there is no workload in it: nothing proves that RolloutDefaults ran. {REMEDY}",), FOUND
        )
    if missing:
        told = [f"error: no RolloutDefaults looked after {_named(each)}" for each in missing]
        return Outcome(
            "", (*told, f"{len(missing)} of {len(meant)} workloads lack the marker {DEFAULTS}. {REMEDY}"), FOUND
        )
    return Outcome(f"RolloutDefaults looked after all {len(meant)} workloads.\n")


def _named(workload: Workload) -> str:
    item = workload.item
    return f"{item} in namespace {item.namespace}" if item.namespace else str(item)
