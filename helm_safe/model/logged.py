"""What containers logged, read: known lines, newest first, with the cause that each points to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from helm_safe.model.causes import cause_of_signature
from helm_safe.model.collected import Belonging, Log
from helm_safe.model.signatures import match_of
from helm_safe.model.symptom import Symptom, said
from helm_safe.model.times import parse_time

_CRASH = re.compile(
    r"panic: |fatal error: |Traceback \(most recent call last\)|Unhandled |Uncaught |Exception in thread "
)
FINAL = 40
"""Lines from a log's end within which an error counts as what the program ended with."""


def in_log(log: Log, origin: Belonging, weight: float) -> Iterator[Symptom]:
    """The known lines of a log, newest first, each once with its count.

    weight: what an error of this container says at most. What stands before the crash that ended it says half.
    """
    lines = log.text.splitlines()
    where = f"Pod/{log.pod} container {log.container} logged{' before its restart' if log.previous else ''}"
    found: dict[tuple[str, str], Symptom] = {}
    cache: dict[str, tuple[str, str]] = {}
    crashed = False
    for back, line in enumerate(reversed(lines)):
        at, text = _stamped(line)
        if text not in cache:
            cache[text] = _cause_of_line(text, origin)
        cause, subject = cache[text]
        if not cause:
            crashed = crashed or (not found and _CRASH.match(text) is not None)
            continue
        key = (cause, subject)
        if key in found:
            found[key] = found[key]._replace(times=found[key].times + 1)
        else:
            faint = weight * (1.0 if back < FINAL else 0.6) * (0.5 if crashed else 1.0)
            shown = " | ".join(said(_stamped(each)[1]) for each in _with_context(lines, len(lines) - 1 - back))
            found[key] = Symptom(cause, subject, origin, where, shown, at, faint=faint)
    yield from found.values()


def _cause_of_line(text: str, origin: Belonging) -> tuple[str, str]:
    met = match_of(text)
    if met is None:
        return "", ""
    cause = cause_of_signature(met.signature.id, met.signature.family, met.signature.meaning)
    if origin.hook and cause in ("schema", "schema-behind", "history-mismatch"):
        return "hook", origin.workload  # a migration that fails is not a migration that never ran
    return cause, met.subject


def _with_context(lines: Sequence[str], index: int) -> Sequence[str]:
    """A line and, where they belong to it, the two behind it: indented, or a cause."""
    behind = [
        each for each in lines[index + 1 : index + 3] if re.match(r"\s+\S|Caused by|DETAIL|HINT", _stamped(each)[1])
    ]
    return [lines[index], *behind]


def _stamped(line: str) -> tuple[datetime | None, str]:
    stamp, _, text = line.partition(" ")
    at = parse_time(stamp)
    return (at, text) if at else (None, line)
