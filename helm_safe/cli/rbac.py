"""`rbac RELEASE [REVISION]`: the least Role that a run of this release needs."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import OK

if TYPE_CHECKING:
    from helm_safe.core.objects import Object
    from helm_safe.model.policy import Resolved
    from helm_safe.model.revisions import History, Release, Revision
    from helm_safe.model.settings import Settings
    from helm_safe.rollback.context import World
    from helm_safe.rollback.permissions import Permission


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser, revision=True)
    options.add_connection(parser)
    options.add_judging(parser)
    options.add_output(parser)
    parser.add_argument(
        "--cluster-reads",
        action="store_true",
        help="also a ClusterRole to list nodes, volumes and priority classes; without it some checks stay unverified",
    )


def run(args: argparse.Namespace) -> int:
    """Raises NotFound for a release or a revision that does not exist."""
    from helm_safe.cli import wiring
    from helm_safe.rollback import permissions

    number = options.revision_number(args.revision)
    world, release, asked_for = wiring.open_asked(args, wiring.reporter_of(args), wiring.settings_of(args))
    history = world.releases.history(release)
    revisions = concerned(history, number)
    settings = asked_for.settle(revisions[0], None)
    asked = rights(world, release, history, number, settings, cluster_reads=args.cluster_reads)
    show(args, permissions.roles(asked, release), release)
    _warn(permissions.grants_rights(revisions))
    return OK


def rights(
    world: World,
    release: Release,
    history: History,
    number: int | None,
    settings: Settings,
    *,
    cluster_reads: bool = False,
) -> list[Permission]:
    """All that a run to that revision needs, to any where None; cluster_reads: kinds of the whole cluster as well."""
    from helm_safe.checks.run import needs
    from helm_safe.rollback import permissions

    revisions, served = concerned(history, number), world.cluster.served()
    reads = [need for need in needs() if cluster_reads or _namespaced(served.preferred(*need))]
    return permissions.of_run(
        served,
        release,
        revisions,
        deleted=permissions.changing(revisions),
        reads=reads,
        records=_records(),
        policy=True,
        staged=staged(world, revisions, release, settings),
    )


def staged(world: World, revisions: list[Revision], release: Release, settings: Settings) -> list[Permission]:
    """What moving users in steps needs, whichever of the revisions is the target."""
    from dataclasses import replace

    from helm_safe.model.changes import Change
    from helm_safe.model.resources import PODS
    from helm_safe.model.routes import Around
    from helm_safe.model.staging import plain_staging, staging_of
    from helm_safe.rollback import permissions
    from helm_safe.rollback.discovery import carriers, routed
    from helm_safe.rollback.inspect import list_live, neighbours_permissions, permissions_to_stage
    from helm_safe.rollback.warmup import wanted_by

    current, served = revisions[0], world.cluster.served()
    found: list[Permission] = []
    beside: list[Permission] = []
    for target in revisions[1:]:
        change = Change(current, target)
        live = list_live(world.cluster, served, change, release)
        around = Around(live.objects, live.whole)
        where = routed(around, release, settings.resolved.value("route"))
        staging = staging_of(change, live.objects, where)
        staging = replace(staging, carriers=carriers(staging, around))
        plain = plain_staging(change, live.objects, where)
        for each in (staging, *(() if staging.staged else (plain,))):
            found += permissions_to_stage(served, change, release, live.objects, each)
        beside += neighbours_permissions(served, change, live.objects, settings)
    pods = world.cluster.list(PODS, release.namespace).items
    warming = permissions.of_warm_up(release, wanted_by(settings.resolved), pods)
    numbers = [*of_metrics(settings.resolved), *_of_queries(settings, release)] if found else []
    return [*found, *numbers, *warming, *beside]


def _of_queries(settings: Settings, release: Release) -> list[Permission]:
    """What the user's own metrics need of the cluster itself."""
    from helm_safe.rollback import permissions
    from helm_safe.rollback.queries import queries_in

    asked = any(query.provider == "kubernetes" for query in queries_in(settings.resolved))
    return permissions.of_pod_metrics(release.namespace) if asked else []


def of_metrics(settings: Resolved) -> list[Permission]:
    """What reading the numbers needs: the gateway's pods, or a Prometheus behind a Service."""
    from helm_safe.metrics.prometheus_api import served
    from helm_safe.rollback import permissions

    service = served(settings.value("metrics.url"))
    if service:
        return [permissions.of_service(service.namespace)]
    gateway = settings.value("metrics.scrape.namespace") if settings.value("metrics.provider") == "scrape" else ""
    return permissions.of_gateway(gateway) if gateway else []


def concerned(history: History, number: int | None) -> list[Revision]:
    """The current revision, then the one to restore; all the others where none is named."""
    from helm_safe.model.evidence import current_of
    from helm_safe.rollback.inspect import revision_of

    current = current_of(history) or history.last
    if number is None:
        return [current, *(each for each in history.revisions if each.number != current.number)]
    return [current, revision_of(history, number)]


def show(args: argparse.Namespace, roles: list[Object], release: Release) -> None:
    """A manifest for `kubectl apply -f -`; the words above it are comments."""
    from helm_safe.core import yamlio
    from helm_safe.report.document import write_document

    if args.output == "json":
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": roles}
        write_document(body, "json")
        return
    comments = "".join(f"# {words}\n" for words in _binding(roles, release))
    sys.stdout.write(comments + "---\n".join(yamlio.dump(role) for role in roles))


def _binding(roles: list[Object], release: Release) -> list[str]:
    """How to give the roles to whoever runs helm-safe."""
    words = [f"What a rollback of {release} needs, and nothing else. To give it to somebody:"]
    if len({role["metadata"].get("namespace") for role in roles}) == 1:
        words.insert(1, "To read a gateway's metrics, name its namespace in the policy (metrics.scrape.namespace).")
    for role in roles:
        kind, name = role["kind"], role["metadata"]["name"]
        where = f" -n {role['metadata']['namespace']}" if kind == "Role" else ""
        verb, flag = ("rolebinding", "role") if kind == "Role" else ("clusterrolebinding", "clusterrole")
        words.append(f"  kubectl create {verb} {name} --{flag}={name} --user=NAME{where}")
    return words


def _namespaced(resource: Any) -> bool:
    return resource is not None and bool(resource.namespaced)


def _records() -> Any:
    """Where Helm keeps its records, by HELM_DRIVER."""
    from helm_safe.helm.releases import driver_name
    from helm_safe.helm.storage import DRIVERS
    from helm_safe.model.resources import SECRETS

    driver = DRIVERS.get(driver_name(os.environ.get("HELM_DRIVER", "")))
    return driver.resource if driver else SECRETS


def _warn(names: list[str]) -> None:
    if names:
        from helm_safe.report.console import console, line

        words = "grant rights themselves: whoever applies them must hold those rights, or the verbs escalate and bind"
        line(console(stderr=True), f"! {', '.join(names)} {words}", "yellow")
