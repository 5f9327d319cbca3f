"""`sandbox demo --story migration`: a plan that refuses what the database would refuse, and allows what works."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from helm_safe.cli.demo import teller
from helm_safe.model.errors import FAILED, OK

if TYPE_CHECKING:
    from helm_safe.cli.demo import Tell
    from helm_safe.sandbox.demo.migration import Asked, Story

NAMESPACE = "orders"


def run(args: argparse.Namespace) -> int:
    """0 only if both answers were right, measured by what revision 1's own queries meet."""
    from helm_safe.cli.sandbox import say
    from helm_safe.sandbox import layout
    from helm_safe.sandbox.cluster import Sandbox
    from helm_safe.sandbox.demo.migration import Story
    from helm_safe.sandbox.postgres import postgres

    tell, was_up = teller(), args.name in layout.sweep()
    with postgres() as address:
        tell("a real PostgreSQL is up")
        say("bringing the cluster up (the first time its programs are built, which takes minutes)")
        sandbox = Sandbox.up(args.name, binaries=args.binaries, say=say)
        try:
            story = Story(sandbox, int(args.helm), NAMESPACE, address)
            asked = play(story, tell)
            shown = story.show().stdout
            story.end()
        finally:
            if not was_up and not args.keep:
                sandbox.down()
    show(args, asked, shown)
    return OK if all(each.right for each in asked) else FAILED


def play(story: Story, tell: Tell) -> list[Asked]:
    """An additive migration, then a destructive one; after each the question whether revision 1 may come back."""
    story.begin()
    tell("revision 1 is deployed, and its snapshot taken")
    asked = []
    for tag, version, words in (("2", "0002", "ADD COLUMN note"), ("3", "0003", "DROP COLUMN legacy_total")):
        story.migrate(version)
        story.deploy(tag)
        tell(f"alembic upgrade {version} ({words}), then revision {tag}; asking for the way back to revision 1")
        asked.append(story.ask(words))
        tell(f"the plan says: {asked[-1].advice}. {asked[-1].said}")
    return asked


def show(args: argparse.Namespace, asked: list[Asked], shown: str) -> None:
    """The last plan as people read it, and the table; or its numbers."""
    if args.output != "text":
        from helm_safe.report.document import write_document

        write_document({"asked": [{**asdict(each), "right": each.right} for each in asked]}, args.output)
        return
    from helm_safe.report.console import console, line, table

    out = console(no_color=args.no_color)
    line(out, "What the plan says after the destructive migration:", "bold")
    for text in shown.splitlines():
        line(out, f"  {text}")
    rows = [
        [each.migration, f"{each.advice} (exit {each.exit_code})", each.said, each.truth or "they work", _mark(each)]
        for each in asked
    ]
    table(out, ["since revision 1", "advice", "because", "revision 1's queries, really run", ""], rows)


def _mark(each: Asked) -> str:
    return "right" if each.right else "WRONG"
