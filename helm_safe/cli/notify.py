"""`notify list|test`: who is told of a run, and whether each can be told."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import FAILED, OK, USAGE, HelmSafeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from helm_safe.model.incident import Notice, Notifier
    from helm_safe.ports import Clock, Cluster


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="list|test", choices=("list", "test"), help="list them, or tell each a test")
    parser.add_argument("--policy", metavar="FILE", help="policy; else the ConfigMap helm-safe-policy of the namespace")
    parser.add_argument("--notify-dry-run", action="store_true", help="show what would be sent; send nothing")
    options.add_connection(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    from helm_safe.cli.notifying import openers
    from helm_safe.journal.clock import SystemClock
    from helm_safe.model.policy import Annotated, resolve
    from helm_safe.model.settings import Settings

    reach, namespace = _connection(args)
    policy = _policy(args, reach, namespace)
    resolved = resolve({}, policy, Annotated(0, {}), Annotated(0, {}))
    entries = resolved.value("notifiers")
    if args.action == "list":
        return _list(args, entries)
    if not entries:
        raise UsageError("the policy has no notifiers", "docs/incidents.md shows how to name some.")
    settings, clock = Settings(notify_dry_run=args.notify_dry_run).settled(resolved), SystemClock()
    shown: list[str] = []
    made = openers(reach, clock, os.environ)(settings, namespace, shown.append)
    notice = _notice(clock, namespace)
    results = [{**_identity(entry), **_told(made[entry["name"]], notice)} for entry in entries]
    _write(args, results, shown)
    states = {each["state"] for each in results}
    return FAILED if "failed" in states else USAGE if "misconfigured" in states else OK


def _connection(args: argparse.Namespace) -> tuple[Callable[[], Cluster], str]:
    """The cluster, connected to when it is first asked, and the namespace: a policy file often needs no cluster."""
    from functools import cache

    from helm_safe.cli import wiring

    wiring.export_connection(args)

    @cache
    def reach() -> Any:
        from helm_safe.kube.cluster import KubeCluster

        return KubeCluster.connect(os.environ)

    named = os.environ.get("HELM_NAMESPACE", "")
    if not named and not args.policy:
        named = reach().namespace
    return reach, options.namespace_name(named or "default")


def _policy(args: argparse.Namespace, reach: Callable[[], Cluster], namespace: str) -> Any:
    from helm_safe.checks import CHECKS
    from helm_safe.cli.policy import find_file, find_policy

    return find_file(args.policy) if args.policy else find_policy(None, reach(), namespace, CHECKS)


def _notice(clock: Clock, namespace: str) -> Notice:
    """A test message that nobody can take for an incident; its key is its own."""
    from helm_safe.model.incident import Notice, State, incident_key
    from helm_safe.rollback.control import person

    now = clock.now()
    run_id = f"test-{now:%Y%m%d-%H%M%S}"
    return Notice(
        key=incident_key("test", namespace, "notify-test", run_id),
        at=now,
        began=now,
        state=State.TEST,
        cluster="no cluster in particular",
        namespace=namespace,
        release="notify-test",
        subject="a rollback",
        current=2,
        target=1,
        strategy="none",
        by=person(),
        run=run_id,
        lines=("`helm-safe notify test` was asked for; nothing is wrong and nothing is needed.",),
        open=False,
        attended=True,
    )


def _told(opener: Callable[[], Notifier], notice: Notice) -> dict[str, str]:
    """Open and resolve a test incident, which is what a run does."""
    from helm_safe.core.printable import printable
    from helm_safe.model.incident import NotSent

    try:
        notifier = opener()
    except HelmSafeError as error:
        return {"state": "misconfigured", "why": printable(error.message)}
    try:
        notifier.closed(notice, notifier.opened(notice, {}))
    except NotSent as error:
        return {"state": "failed", "why": printable(error.message)}
    return {"state": "ok", "why": ""}


def _identity(entry: Mapping[str, Any]) -> dict[str, str]:
    return {"name": entry["name"], "type": entry["type"]}


def _list(args: argparse.Namespace, entries: Any) -> int:
    """Names, types, and where each secret comes from; never a secret, never an address that may hold one."""
    rows = [{**_identity(entry), "secret": _origin(entry.get("secret") or {})} for entry in entries]
    if args.output == "text":
        from helm_safe.report.console import console, line, table

        out = console(no_color=args.no_color)
        if rows:
            table(out, ["NAME", "TYPE", "SECRET"], [[row["name"], row["type"], row["secret"]] for row in rows])
        else:
            line(out, "Nobody is told of runs: the policy has no notifiers.")
    else:
        from helm_safe.report.document import write_document

        write_document({"notifiers": rows}, args.output)
    return OK


def _origin(secret: Mapping[str, str]) -> str:
    return next((f"{place} {where}" for place, where in secret.items()), "")


def _write(args: argparse.Namespace, results: list[dict[str, str]], shown: list[str]) -> None:
    if args.output != "text":
        from helm_safe.report.document import write_document

        write_document({"notifiers": results, **({"shown": shown} if shown else {})}, args.output)
        return
    from helm_safe.report.console import console, line, table

    out = console(no_color=args.no_color)
    for words in shown:
        line(out, words)
    rows = [[row["name"], row["type"], row["state"], row["why"]] for row in results]
    table(out, ["NAME", "TYPE", "STATE", "WHY"], rows)
