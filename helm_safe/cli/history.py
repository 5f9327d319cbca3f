"""`history RELEASE`: revisions with the evidence that each was good or bad."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import OK

if TYPE_CHECKING:
    from datetime import datetime

    from helm_safe.model.revisions import Evidence, History, Revision


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_output(parser)
    options.add_known_good(parser)


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli import wiring
    from helm_safe.model.evidence import current_of
    from helm_safe.model.settings import Settings
    from helm_safe.rollback.inspect import evidence_for

    world, release, asked = wiring.open_asked(args, wiring.reporter_of(args), Settings())
    history = world.releases.history(release)
    settings = asked.settle(current_of(history) or history.last, None)
    evidence = evidence_for(world, history, settings.known_good_after)
    now = world.cluster.now()
    if args.output == "text":
        _show(args, history, evidence, now)
    else:
        from helm_safe.report.document import write_document

        write_document(_document(history, evidence, now), args.output)
    return OK


def _show(args: argparse.Namespace, history: History, evidence: dict[int, Evidence], now: datetime) -> None:
    from helm_safe.report.console import console, line, table

    out = console(no_color=args.no_color)
    rows = [
        [
            str(each.number),
            each.status.value,
            age(each.deployed_at, now),
            f"{each.chart}-{each.chart_version}",
            " ".join(images(each)),
            evidence[each.number].standing.value,
            "; ".join(evidence[each.number].facts),
        ]
        for each in history.revisions
    ]
    table(out, ["REVISION", "STATUS", "AGE", "CHART", "IMAGES", "STANDING", "WHY"], rows)
    for record in history.broken:
        line(out, f"! the record {record.record} cannot be read: {record.problem}", "yellow")


def _document(history: History, evidence: dict[int, Evidence], now: datetime) -> dict[str, Any]:
    """The published shape (schema history)."""
    from helm_safe.core.redact import redact  # Helm's description quotes what the API server or a hook said

    return {
        "release": history.release.name,
        "namespace": history.release.namespace,
        "revisions": [
            {
                "revision": each.number,
                "status": each.status.value,
                "deployedAt": each.deployed_at.isoformat() if each.deployed_at else "",
                "age": age(each.deployed_at, now),
                "chart": each.chart,
                "chartVersion": each.chart_version,
                "images": images(each),
                "description": redact(each.description),
                "standing": evidence[each.number].standing.value,
                "evidence": list(evidence[each.number].facts),
            }
            for each in history.revisions
        ],
        "brokenRecords": [{"record": each.record, "problem": each.problem} for each in history.broken],
    }


def images(revision: Revision) -> list[str]:
    """The images of a revision's workloads, each once, in the order of the manifest."""
    from helm_safe.core.workloads import containers, pod_template

    found = [
        str(container.get("image", ""))
        for obj in revision.objects.values()
        for container in containers(pod_template(obj) or {})
    ]
    return list(dict.fromkeys(image for image in found if image))


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in kubectl's manner: 45s, 12m, 3h, 5d; "" when unknown."""
    if moment is None:
        return ""
    seconds = max(int((now - moment).total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (unit == "d" and seconds >= size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
