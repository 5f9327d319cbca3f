"""From parsed flags to the ports: the only place that knows all families of adapters."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from helm_safe.core.quantities import parse_duration
from helm_safe.model.errors import UsageError
from helm_safe.model.revisions import Release
from helm_safe.model.settings import NativeOptions, Settings
from helm_safe.ports import Reporter
from helm_safe.rollback.context import World


def build_world(args: argparse.Namespace, reporter: Reporter) -> World:
    """Connect to the cluster and find helm. Raises UsageError or Unreachable; nothing has been asked of the API yet."""
    from helm_safe.helm.binary import HelmBinary
    from helm_safe.helm.releases import HelmReleases
    from helm_safe.journal.clock import SystemClock
    from helm_safe.kube.cluster import KubeCluster
    from helm_safe.kube.config import connect

    export_connection(args)
    cluster = KubeCluster(connect(os.environ))
    releases = HelmReleases(cluster, HelmBinary.find(os.environ), os.environ.get("HELM_DRIVER", ""))
    return World(cluster, releases, SystemClock(), reporter, evidence_folder())


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


def release_of(args: argparse.Namespace) -> Release:
    """The release that the command names. Raises UsageError for names that cannot be one."""
    from helm_safe.cli.options import release_name
    from helm_safe.kube.config import namespace_of

    export_connection(args)
    name = release_name(args.release)
    namespace = namespace_of(os.environ)
    if not namespace or "/" in namespace or not namespace.replace("-", "").isalnum() or len(namespace) > 63:
        raise UsageError(
            f"{namespace!r} is not a name of a namespace: lower-case letters, digits and '-', at most 63",
            "`kubectl get namespaces` shows them.",
        )
    return Release(namespace, name)


def settings_of(args: argparse.Namespace) -> Settings:
    """Flags as Settings; durations become seconds. Raises UsageError naming the flag that cannot be read."""
    from helm_safe.cli.options import acceptances

    return Settings(
        strategy=args.strategy,
        bake=seconds("--bake", args.bake),
        timeout=seconds("--timeout", args.timeout),
        known_good_after=seconds("--known-good-after", args.known_good_after),
        yes=getattr(args, "yes", False),
        dry_run=getattr(args, "dry_run", False),
        accept=acceptances(args.accept),
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


def seconds(flag: str, text: str) -> float:
    """A duration as typed. Raises UsageError naming the flag."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: {error}", "Write a duration such as 90s, 15m or 1h.") from error
