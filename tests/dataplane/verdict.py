"""The harness's own verdict: what users met, held against what a staged rollback promises. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from helm_safe.model.proportions import improbable
from helm_safe.sandbox.demo.numbers import Request, between, serving, summarize
from helm_safe.sandbox.demo.stage import RELEASE
from tests.dataplane.staging import Gate, Story

LEAST = 20
"""Requests without which a gate's split proves nothing."""


def complaints(seen: Sequence[Request], story: Story, version: str) -> list[str]:
    """Every promise that was broken, in words; version: the target's."""
    gates = {gate.step: gate for gate in story.gates()}
    whole = gates["shift 100"].since
    return [
        *(words for gate in gates.values() for words in split(seen, gate)),
        *failures(seen, whole),
        *strangers(seen, whole, version),
    ]


def failures(seen: Sequence[Request], since: float, until: float = inf) -> Iterator[str]:
    """Failed requests, from COMMIT's first possible effect on."""
    found = summarize(between(seen, since, until), 1.0)
    if found.failed or not found.total:
        yield f"{found.failed} of {found.total} requests failed"


def strangers(seen: Sequence[Request], since: float, version: str) -> Iterator[str]:
    """Answers of another version than the one that all users are on."""
    others = serving(between(seen, since, inf)).keys() - {version}
    if others:
        yield f"{', '.join(sorted(others))} answered after all users were moved away"


def split(seen: Sequence[Request], gate: Gate) -> Iterator[str]:
    """A share of the answers that lies outside the 99.99 % interval around the wanted one."""
    answered = [each for each in between(seen, gate.since, gate.until) if each.pod]
    hits = sum(each.pod.startswith(f"{RELEASE}-standby-") == gate.on_standby for each in answered)
    if len(answered) < LEAST or improbable(hits, len(answered), gate.share / 100):
        yield f"{hits} of {len(answered)} requests reached the pods under trial at the step {gate.step}"
