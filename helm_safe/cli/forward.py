"""`forward RELEASE CHART [flags of helm upgrade]`: the hotfix by the same stages, gates and safe weights."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from helm_safe.cli import options
from helm_safe.model.errors import OK, Blocked, UsageError

UPGRADE_HOOKS = ("pre-upgrade", "post-upgrade")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    parser.add_argument("chart", metavar="CHART", nargs="?", help="chart: a folder, an archive, or what helm takes")
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_watching(parser)
    options.add_telling(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="go on without a question")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and stop")
    helm = parser.add_argument_group("flags of helm upgrade")
    for flag in ("--set", "--set-string", "--set-file", "--set-json", "--set-literal", "--values", "-f"):
        helm.add_argument(
            flag, action="append", default=[], metavar="VALUE", dest=_name(flag), help="as in helm upgrade"
        )
    helm.add_argument("--version", metavar="VERSION", help="of the chart")
    helm.add_argument("--repo", metavar="URL", help="repository of the chart")
    for flag in ("--reuse-values", "--reset-values", "--reset-then-reuse-values", "--skip-crds"):
        helm.add_argument(flag, action="store_true", help="as in helm upgrade")


def _name(flag: str) -> str:
    return "values" if flag in ("-f", "--values") else flag.removeprefix("--").replace("-", "_")


def upgrade_words(args: argparse.Namespace) -> tuple[str, ...]:
    """Chart and flags as helm upgrade takes them."""
    words = [args.chart]
    for flag in ("--set", "--set-string", "--set-file", "--set-json", "--set-literal", "--values"):
        words += [f"{flag}={value}" for value in getattr(args, _name(flag))]
    words += [f"--version={args.version}"] if args.version else []
    words += [f"--repo={args.repo}"] if args.repo else []
    for flag in ("--reuse-values", "--reset-values", "--reset-then-reuse-values", "--skip-crds"):
        words += [flag] if getattr(args, _name(flag)) else []
    words += [f"--history-max={args.history_max}"] if args.history_max is not None else []
    return tuple(words)


def run(args: argparse.Namespace) -> int:
    """As a rollback: 0 when the new revision is live and every user is on it."""
    from helm_safe.cli import plan, watching, wiring
    from helm_safe.rollback.control import start
    from helm_safe.rollback.prepare import Prepared, prepare

    if not args.chart:
        raise UsageError("two names are needed: a release, and a chart", "helm-safe forward RELEASE CHART --help")
    shown: list[dict[str, Any]] = []

    def show(prepared: Prepared) -> None:
        shown.append(plan.document(prepared))
        if args.output == "text":
            plan.show_text(args, prepared)

    with watching.watching(args) as reporter:
        base = replace(wiring.settings_of(args), forward=True)
        world, release, asked = wiring.open_asked(args, reporter, base)
        world, number = upgrading(args, world, release)
        if args.dry_run:
            show(prepare(world, release, number, asked))
        else:
            watching.connect(reporter, world, release)
            start(world, release, number, asked, show=show, confirm=watching.asking(reporter))
    if args.output in ("json", "yaml"):
        from helm_safe.report.document import write_document

        write_document(shown[0], args.output)
    elif args.output == "text" and not args.dry_run:
        from helm_safe.report.console import console, line

        line(
            console(no_color=args.no_color),
            f"{release.name} is at revision {number}, and all users are on it.",
            "bold green",
        )
    return OK


def upgrading(args: argparse.Namespace, world: Any, release: Any) -> tuple[Any, int]:
    """The world in which the upgrade is the way to the target, and the target's number.

    Raises Blocked where the chart's own hooks would have to run before its pods may: the stages cannot keep that order.
    """
    import os

    from helm_safe.helm.binary import find_helm
    from helm_safe.helm.upgrading import Upgrading, check_words, wanted_revision

    words = upgrade_words(args)
    check_words(words)
    binary, history = find_helm(os.environ), world.releases.history(release)
    wanted = wanted_revision(binary, release, words, history.last.number, world.cluster.served())
    hooks = [hook.name for hook in wanted.hooks if "pre-upgrade" in hook.events]
    if hooks and args.strategy != "native":
        raise Blocked(
            f"the chart runs {', '.join(hooks)} before an upgrade, and a standby would run before that",
            "Say --strategy native: checks and watching around a plain upgrade; or let the hook be no part of it.",
        )
    return replace(world, releases=Upgrading(world.releases, binary, wanted, words)), wanted.number
