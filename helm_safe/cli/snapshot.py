"""`snapshot RELEASE`: photograph what will not travel back, and keep it beside the release record."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import FAILED, OK, UsageError

if TYPE_CHECKING:
    from helm_safe.model.photograph import Photograph


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    options.add_connection(parser)
    options.add_known_good(parser)
    options.add_state(parser)
    parser.add_argument("--dry-run", action="store_true", help="photograph and show, keep nothing")
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """0 when all that was asked for is kept, 1 when a part could not be read: the rest is kept all the same."""
    from helm_safe.cli import wiring
    from helm_safe.journal.photographs import forget_pruned, store
    from helm_safe.model.photograph import BadPhotograph
    from helm_safe.model.settings import Settings
    from helm_safe.rollback.state import photograph

    args.accept = []
    world, release, asked = wiring.open_asked(args, wiring.reporter_of(args), Settings())
    history = world.releases.history(release)
    revision = history.deployed or history.last
    taken = photograph(world.cluster, release, revision, asked.settle(revision, None).resolved)
    name = ""
    if not args.dry_run:
        try:
            name = store(world.cluster, release, taken)
        except BadPhotograph as error:
            raise UsageError(f"the snapshot of {release} {error}", "Point --db at the schema that it uses.") from None
        forget_pruned(world.cluster, release, history)
    _show(args, taken, name)
    return FAILED if taken.unread else OK


def _show(args: argparse.Namespace, taken: Photograph, name: str) -> None:
    body = summary(taken, name)
    if args.output != "text":
        from helm_safe.report.document import write_document

        write_document(body if name else taken.to_json(), args.output)
        return
    from helm_safe.report.console import console, line

    out = console(no_color=args.no_color)
    line(out, f"Snapshot of revision {taken.revision}, {f'kept in Secret/{name}' if name else 'not kept'}:")
    for words in sentences(taken):
        line(out, f"  {words}")
    for kind, why in taken.unread.items():
        line(out, f"  NOT read: {kind}: {why}", "bold red")


def sentences(taken: Photograph) -> list[str]:
    """What is in it, a sentence each."""
    found = []
    if taken.database:
        schema, ledgers = taken.database.schema, taken.database.ledgers
        heads = "; ".join(f"{each.tool} at {each.head or 'nothing'}" for each in ledgers) or "no migration history"
        left = f", {schema.left_out} more left out" if schema.left_out else ""
        found.append(f"database ({taken.database.server}): {len(schema.tables)} tables and views{left}; {heads}")
    if taken.redis:
        redis = taken.redis
        found.append(
            f"Redis ({redis.server}): {len(redis.families)} families, {redis.sampled} of {redis.keys} keys seen"
        )
    if taken.kafka:
        kafka = taken.kafka
        found.append(f"Kafka: {len(kafka.topics)} topics, {len(kafka.groups)} groups, {len(kafka.subjects)} subjects")
    found.append(f"configuration outside the release: {len(taken.config)} objects, as hashes")
    found.append(f"images that run: {len(taken.images)}")
    boots = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in taken.boots.items())
    found.append(f"boot times: {boots or 'none measured'}")
    return found


def summary(taken: Photograph, name: str) -> dict[str, Any]:
    """The published shape of the answer: what was kept, without its content."""
    return {
        "secret": name,
        "revision": taken.revision,
        "taken": taken.taken.isoformat(),
        "summary": sentences(taken),
        "unread": dict(taken.unread),
    }
