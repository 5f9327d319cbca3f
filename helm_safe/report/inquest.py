"""An autopsy for people: the ranked causes first, then what they rest on; as text for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from helm_safe.core.printable import printable
from helm_safe.report.console import line, table

_COLOURS = {"roll back": "green", "hold": "yellow", "roll forward": "yellow"}
_ADVICE = {
    "roll back": "a rollback helps",
    "hold": "hold, neither revision mends it",
    "roll forward": "roll forward, going back does not help",
}
SHOWN = 12
"""Pods and differences that a terminal is told."""


def show(out: Console, body: Mapping[str, Any], folder: str) -> None:
    """The causes, the difference, the pods in trouble, and where the rest is."""
    line(out, f"{body['release']} in {body['namespace']}, revision {body['current']['revision']}", "bold")
    for number, each in enumerate(body["suspicions"], start=1):
        _suspicion(out, number, each)
    if not body["suspicions"]:
        line(out, _capital(body["summary"]))
    bad = [each for each in body["pods"] if not each["ready"] or each["restarts"]]
    if bad:
        rows = [
            [each["name"], str(each["revision"] or "?"), each["state"], str(each["restarts"]), each["ended"]]
            for each in bad[:SHOWN]
        ]
        line(out, "")
        table(out, ["POD", "REVISION", "STATE", "RESTARTS", "LAST END"], rows)
        if len(bad) > SHOWN:
            line(out, f"and {len(bad) - SHOWN} more")
    for note in body["notes"]:
        line(out, f"! {note}", "yellow")
    line(out, f"Evidence: {folder}")


def _suspicion(out: Console, number: int, each: Mapping[str, Any]) -> None:
    where = f" ({each['workload']})" if each["workload"] else ""
    line(out, f"{number}. {_capital(each['title'])}{where}", "bold")
    advice = _ADVICE.get(each["advice"], each["advice"])
    line(out, f"   {_capital(advice)}: {each['direction']}.", _COLOURS.get(each["advice"], ""))
    for words in each["explainedBy"]:
        line(out, f"   changed: {words}")
    for words in each["evidence"]:
        line(out, f"   seen: {words}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def markdown(body: Mapping[str, Any]) -> str:
    """The whole autopsy on a page."""
    return "\n".join(_lines(body)) + "\n"


def _lines(body: Mapping[str, Any]) -> Iterator[str]:
    current, previous = body["current"], body["previous"]
    yield f"# Autopsy of {_md(body['release'])}"
    yield ""
    yield f"{_md(body['namespace'])} · revision {current['revision']} ({current['status']}) · {_md(body['at'])}"
    yield ""
    yield f"**{_md(_capital(body['summary']))}**"
    yield ""
    yield "## Suspicions"
    yield ""
    for number, each in enumerate(body["suspicions"], start=1):
        where = _md(each["workload"] or "no workload")
        yield f"{number}. **{_md(_capital(each['title']))}** ({where}), score {each['score']:g}"
        yield f"   - {_md(_ADVICE.get(each['advice'], each['advice']))}: {_md(each['direction'])}"
        yield from (f"   - changed: {_md(words)}" for words in each["explainedBy"])
        yield from (f"   - seen: {_md(words)}" for words in each["evidence"])
    if not body["suspicions"]:
        yield "None."
    yield ""
    yield f"## What changed since revision {previous['revision']}" if previous else "## No earlier revision"
    yield ""
    for hunk in body["difference"]:
        change = "" if hunk["before"] == hunk["after"] else f": {hunk['before']} → {hunk['after']}"
        yield f"- {_md(hunk['object'])} {_md(hunk['field'])}{_md(change) if change else ' changed'}"
    yield from _facts(body)
    yield "## Timeline"
    yield ""
    yield from (f"- {_md(each['at'])} {_md(each['what'])}" for each in body["timeline"])
    if body["notes"]:
        yield ""
        yield "## What could not be had"
        yield ""
        yield from (f"- {_md(note)}" for note in body["notes"])


def _facts(body: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Pods"
    yield ""
    yield "| pod | revision | state | restarts | last end | node |"
    yield "|---|---|---|---|---|---|"
    for each in body["pods"]:
        cells = (each["name"], each["revision"] or "?", each["state"], each["restarts"], each["ended"], each["node"])
        yield "| " + " | ".join(map(_md, cells)) + " |"
    yield ""
    rows = [
        *(f"{each['workload']}: {'; '.join(each['conditions'])}" for each in body["rollouts"]),
        *(f"missing: {each}" for each in body["missing"]),
        *body["hooks"],
        *(f"Service {name}: {row['ready']} ready, {row['notReady']} not" for name, row in body["endpoints"].items()),
        *(f"quota {each['name']}: used {_pairs(each['used'])} of {_pairs(each['hard'])}" for each in body["quotas"]),
        *(f"claim {each['name']}: {each['phase']}" for each in body["claims"]),
        *(f"node {each['name']}: {_pairs(each['conditions'])}" for each in body["nodes"]),
    ]
    if rows:
        yield "## State"
        yield ""
        yield from (f"- {_md(row)}" for row in rows)
        yield ""


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "nothing"


def _md(text: object) -> str:
    """Text that is no markup."""
    plain = printable(text)
    for mark in "\\`*_[]<>|":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
