"""From parsed flags to the ports: the only place that knows all families of adapters."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from helm_safe.model.errors import UsageError
from helm_safe.model.events import Event, Level
from helm_safe.model.plan import Stage
from helm_safe.model.revisions import Release
from helm_safe.model.settings import NativeOptions, Settings
from helm_safe.ports import Reporter
from helm_safe.rollback.context import World

if TYPE_CHECKING:
    from helm_safe.cli.policy import Unsettled
    from helm_safe.model.policy import Policy, Resolved
    from helm_safe.ports import MetricProvider
    from helm_safe.rollback.context import Answering


def open_world(args: argparse.Namespace, reporter: Reporter) -> tuple[World, Release]:
    """The ports, and the release that the command names.

    Raises UsageError for names that cannot be, for a missing helm and for a broken kubeconfig; the API server has not
    been asked for anything yet.
    """
    from helm_safe.cli.options import namespace_name, release_name

    export_connection(args)
    name = release_name(args.release)
    namespace = os.environ.get("HELM_NAMESPACE", "")
    if namespace:
        namespace_name(namespace)
    from helm_safe.cli.notifying import openers
    from helm_safe.helm.releases import open_releases
    from helm_safe.journal.clock import SystemClock
    from helm_safe.kube.cluster import KubeCluster

    cluster, clock = KubeCluster.connect(os.environ), SystemClock()

    def metrics(settings: Resolved) -> MetricProvider:
        from helm_safe.cli.gates import metrics_of

        return metrics_of(settings, cluster, clock, os.environ)

    def queries(settings: Resolved) -> Answering:
        from helm_safe.cli.gates import queries_of

        return queries_of(settings, cluster, clock, os.environ)

    releases, folder = open_releases(cluster, os.environ), evidence_folder()
    telling = openers(lambda: cluster, clock, os.environ)
    world = World(cluster, releases, clock, reporter, folder, metrics, queries, telling)
    return world, Release(namespace_name(namespace or cluster.namespace or "default"), name)


def open_asked(args: argparse.Namespace, reporter: Reporter, base: Settings) -> tuple[World, Release, Unsettled]:
    """The ports, the release, and what was asked for by flags and policy.

    Raises UsageError as `open_world`, and for values and a policy that cannot be used; flags are looked at before any
    cluster is asked.
    """
    from helm_safe.checks import CHECKS
    from helm_safe.checks.run import verify_accept, verify_policy
    from helm_safe.cli.options import option_flags
    from helm_safe.cli.policy import Unsettled, find_policy

    asked = Unsettled(base, option_flags(args))
    asked.settle(None, None)
    verify_accept(base)
    world, release = open_world(args, reporter)
    policy = find_policy(args.policy, world.cluster, release.namespace, CHECKS)
    if policy:
        asked = asked.under(policy)
        asked.settle(None, None)
        verify_policy(asked.base)
        tell_expired(world, policy)
    return world, release, asked


def tell_expired(world: World, policy: Policy) -> None:
    """A warning for each waiver that no longer counts."""
    for words in policy.expired(world.cluster.now()) if policy.waivers else ():
        world.reporter.event(Event(world.clock.now(), Stage.INSPECT.value, Level.WARNING, words))


def export_connection(args: argparse.Namespace) -> None:
    """Make our own connection flags mean to helm, which we start, what they mean to us."""
    for flag, variable in (
        ("namespace", "HELM_NAMESPACE"),
        ("kube_context", "HELM_KUBECONTEXT"),
        ("kubeconfig", "KUBECONFIG"),
    ):
        value = getattr(args, flag, None)
        if value:
            os.environ[variable] = value
    if getattr(args, "debug", None):
        os.environ["HELM_DEBUG"] = "true"


def settings_of(args: argparse.Namespace) -> Settings:
    """The flags that policy and annotations do not know. Raises UsageError for one that cannot be read."""
    from helm_safe.cli import options

    return Settings(
        yes=getattr(args, "yes", False),
        dry_run=getattr(args, "dry_run", False),
        watchdog=getattr(args, "watchdog", False),
        incident=options.incident_key(getattr(args, "incident", None)),
        notify_dry_run=getattr(args, "notify_dry_run", False),
        accept=options.acceptances(args.accept),
        recreate=frozenset(args.recreate),
        native=NativeOptions(
            no_hooks=args.no_hooks,
            cleanup_on_fail=args.cleanup_on_fail,
            force_conflicts=args.force_conflicts,
            force_replace=args.force_replace,
            server_side=args.server_side,
            description=args.description,
            history_max=args.history_max,
        ),
    )


def evidence_folder() -> Path:
    """Where autopsies and copies of journals are kept on this machine."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "helm-safe" / "runs"


def reporter_of(args: argparse.Namespace) -> Reporter:
    """Events as lines: on stdout for text and jsonl, on stderr where stdout carries a document."""
    from helm_safe.report.live import JsonLinesReporter, TextReporter

    if args.output == "jsonl":
        return JsonLinesReporter(sys.stdout)
    return TextReporter(no_color=args.no_color, stderr=args.output != "text")


def ask(question: str) -> bool:
    """A yes or no from a terminal. Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to answer", "Add --yes to go on without a question.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
