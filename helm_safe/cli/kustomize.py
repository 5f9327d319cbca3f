"""`kustomize RELEASE DIR`: deploy a Kustomize build as a release, so that it has history and rollback."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from helm_safe.cli import options
from helm_safe.model.errors import OK, Blocked, NotFound, RunFailed, UsageError

if TYPE_CHECKING:
    from helm_safe.model.bundle import Source
    from helm_safe.model.revisions import Release, Revision
    from helm_safe.ports import Cluster
    from helm_safe.rollback.adoption import Stranger
    from helm_safe.rollback.context import World

SWITCHES = ("--enable-alpha-plugins", "--enable-exec", "--enable-helm", "--network")
VALUES = ("--load-restrictor", "--helm-command", "--env", "--mount")
SHOWN = 40
"""Lines of a difference that are shown; -o json has all of them."""


class Deployment(NamedTuple):
    """What will be deployed. current: the revision whose objects are live, None for a first one."""

    text: str
    source: Source
    wanted: Revision
    current: Revision | None
    strangers: list[Stranger]
    told: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_release(parser)
    parser.add_argument("folder", metavar="DIR", nargs="?", help="folder of a kustomization.yaml")
    options.add_connection(parser)
    options.add_output(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="go on without a question")
    parser.add_argument("--dry-run", action="store_true", help="show what would change and stop")
    parser.add_argument("--always", action="store_true", help="make a revision also when nothing changed")
    parser.add_argument("--adopt", action="store_true", help="take over objects that are live and no release's")
    parser.add_argument("--description", default="", help="of the revision (default: folder and commit)")
    parser.add_argument("--timeout", default="5m", help="for each hook (default: 5m)")
    helm = parser.add_argument_group("flags of helm upgrade")
    helm.add_argument("--create-namespace", action="store_true", help="create the release's namespace")
    helm.add_argument("--no-hooks", action="store_true", help="do not run hooks")
    helm.add_argument("--history-max", type=int, default=None, metavar="N", help="revisions to keep; 0 keeps all")
    helm.add_argument("--server-side", choices=("auto", "true", "false"), default="auto", help="Helm 4 alone")
    helm.add_argument("--force-conflicts", action="store_true", help="Helm 4 alone: win against other field managers")
    build = parser.add_argument_group("flags of kustomize build")
    build.add_argument("--kustomize", metavar="PROGRAM", default="", help="kustomize, or kubectl (runs no functions)")
    for flag in SWITCHES:
        build.add_argument(flag, action="append_const", const=flag, dest="build", help="as in kustomize build")
    for flag in VALUES:
        build.add_argument(flag, action="append", metavar="VALUE", help="as in kustomize build")


def run(args: argparse.Namespace) -> int:
    """0 when the build is live, or was already. Raises Blocked where objects of others are in the way."""
    from helm_safe.cli import wiring
    from helm_safe.core.quantities import duration

    if not args.folder:
        raise UsageError(
            "two names are needed: a release, and the folder of a kustomization", "helm-safe kustomize --help"
        )
    try:
        timeout = duration(args.timeout)
    except ValueError as error:
        raise UsageError(f"--timeout {args.timeout}: {error}", "Write it as 90s or 5m.") from None
    world, release = wiring.open_world(args, wiring.reporter_of(args))
    found = prepare(args, world.cluster, release, _current(world, release))
    if args.output == "text":
        _show(args, release, found)
    changed = args.always or _differs(found)
    if changed and not args.dry_run and _consents(args, release):
        number = _deploy(args, world, release, found, timeout)
    else:
        number = found.current.number if found.current else 0
    _tell(args, release, found, number, changed=changed)
    return OK


def prepare(args: argparse.Namespace, cluster: Cluster, release: Release, current: Revision | None) -> Deployment:
    """Build, read and compare; writes nothing. Raises UsageError and Blocked."""
    from helm_safe.core.yamledit import NoPlace
    from helm_safe.core.yamlio import YamlError
    from helm_safe.helm.deploy import as_revision
    from helm_safe.helm.kustomize import build, source_of
    from helm_safe.helm.payload import UndecodableError
    from helm_safe.model.bundle import RECORD_LIMIT, kept, record_size
    from helm_safe.rollback.adoption import strangers

    folder = Path(args.folder)
    text, told = build(args.kustomize, folder, _build_flags(args), os.environ)
    served = cluster.served()
    try:
        text = kept(text)
        wanted = as_revision(release, text, served, current.number + 1 if current else 1)
    except (YamlError, NoPlace, UndecodableError) as error:
        raise Blocked(f"the build of {folder} cannot be read: {error}", "Nothing was deployed.") from None
    if not wanted.objects:
        raise Blocked(f"the build of {folder} holds no object: it would delete everything", "Nothing was deployed.")
    size = record_size(text)
    if size > RECORD_LIMIT and os.environ.get("HELM_DRIVER", "") not in ("sql", "memory"):
        raise Blocked(
            f"the build of {folder} is too large for a record of Helm: {size / 1024:.0f} KiB of {RECORD_LIMIT // 1024}",
            "Split it into several releases, move large ConfigMaps out of it, or keep records in SQL: HELM_DRIVER=sql.",
        )
    return Deployment(text, source_of(folder), wanted, current, strangers(cluster, served, release, wanted), told)


def _current(world: World, release: Release) -> Revision | None:
    """The last revision, the base of Helm's next diff."""
    try:
        return world.releases.history(release).last
    except NotFound:
        return None


def _build_flags(args: argparse.Namespace) -> list[str]:
    flags = list(dict.fromkeys(args.build or ()))
    for flag in VALUES:
        for value in getattr(args, flag[2:].replace("-", "_")) or ():
            flags += [flag, value]
    return flags


def _differs(found: Deployment) -> bool:
    """Whether a new revision would say or mend anything."""
    from helm_safe.model.revisions import RevisionStatus

    current = found.current
    if current is None or current.status is not RevisionStatus.DEPLOYED or _changes(found):
        return True
    before, after = ([each for hook in one.hooks for each in hook.objects] for one in (current, found.wanted))
    return sorted(map(str, before)) != sorted(map(str, after))


def _changes(found: Deployment) -> list[dict[str, Any]]:
    """What changes: object, what happens to it, and where; never a value, which might be secret."""
    from helm_safe.core.differences import differences
    from helm_safe.model.changes import Change

    if found.current is None:
        return [{"object": str(ref), "change": "added"} for ref in found.wanted.objects]
    change = Change(found.current, found.wanted)
    rows: list[dict[str, Any]] = [{"object": str(ref), "change": "added"} for ref in change.added]
    for ref in change.changed:
        old, new = found.current.objects[ref], found.wanted.objects[ref]
        fields = list(dict.fromkeys([*differences(new, old), *differences(old, new)]))
        rows.append({"object": str(ref), "change": "changed", "fields": fields})
    return rows + [{"object": str(ref), "change": "removed"} for ref in change.removed]


def _show(args: argparse.Namespace, release: Release, found: Deployment) -> None:
    from helm_safe.report.console import console, line

    out = console(no_color=args.no_color)
    base = f"revision {found.current.number}" if found.current else "nothing: this is its first revision"
    line(out, f"{found.source.words} as release {release}, compared with {base}")
    rows = _changes(found)
    for row in rows[:SHOWN]:
        fields = (
            f": {', '.join(row['fields'][:5])}{' …' if len(row['fields']) > 5 else ''}" if row.get("fields") else ""
        )
        line(out, f"  {row['change']:<8} {row['object']}{fields}")
    if len(rows) > SHOWN:
        line(out, f"  and {len(rows) - SHOWN} more; -o json lists all")
    for words in notes(found):
        line(out, words, "yellow")


def notes(found: Deployment) -> list[str]:
    """What a person should know before the build is deployed."""
    from helm_safe.model.bundle import secrets_of

    told = [f"kustomize: {each}" for each in found.told.splitlines()[:10]]
    secrets = secrets_of(list(found.wanted.objects.values()))
    if secrets:
        told.append(f"Secret {', '.join(secrets[:5])}: Helm's records hold the values too, as those of any chart")
    if found.strangers:
        names = ", ".join(str(each.ref) for each in found.strangers[:10])
        told.append(f"live, and no release's: {names}")
    return told


def _consents(args: argparse.Namespace, release: Release) -> bool:
    from helm_safe.cli import wiring

    if args.yes or wiring.ask(f"Deploy this as release {release}?"):
        return True
    raise Blocked("nothing was deployed: the answer was no")


def _deploy(args: argparse.Namespace, world: World, release: Release, found: Deployment, timeout: float) -> int:
    """Deploy, and see that the record says so. Raises Blocked, RunFailed, OutcomeUnknown."""
    from helm_safe.helm import deploy
    from helm_safe.helm.binary import find_helm
    from helm_safe.model.bundle import chart
    from helm_safe.rollback import adoption

    binary, words = find_helm(os.environ), _helm_flags(args, found)
    deploy.check_flags(binary, words)
    if found.strangers and not args.adopt:
        names = ", ".join(str(each.ref) for each in found.strangers[:10])
        raise Blocked(f"these objects are live and no release's: {names}", "Add --adopt to take them over.")
    before = found.current.number if found.current else 0
    with _held(world, release, before) as held:
        for stranger in found.strangers:
            adoption.adopt(held.cluster, release, stranger)
        adoption.define(held.cluster, held.clock, held.cluster.served(), release, found.wanted)
        files = chart(release.name, found.text, found.source)
        result = deploy.deploy(binary, release, files, words, timeout=timeout)
    last = _current(world, release)
    if result.exit_code or last is None or last.number <= before or last.status.value != "deployed":
        raise RunFailed(f"helm did not deploy {release}: {result.output.strip()[-1500:]}", "See `helm history`.")
    return last.number


@contextmanager
def _held(world: World, release: Release, before: int) -> Iterator[World]:
    """The Lease of a release that exists: nothing is deployed in the middle of a rollback, nor over an unfinished one.

    Raises Blocked for these, and where the release moved since it was compared.
    """
    from helm_safe.rollback.control import seat
    from helm_safe.rollback.runs import refuse_if_unfinished

    if not before:
        yield world
        return
    with seat(world, release) as held:
        refuse_if_unfinished(held.world, release)
        last = _current(held.world, release)
        if last is None or last.number != before:
            raise Blocked(
                f"release {release} moved on from revision {before} since it was compared",
                "Somebody else deploys it: look at `helm history`, then try again.",
            )
        yield held.world


def _helm_flags(args: argparse.Namespace, found: Deployment) -> list[str]:
    words = [f"--description={args.description or found.source.words}"]
    words += ["--create-namespace"] if args.create_namespace else []
    words += ["--no-hooks"] if args.no_hooks else []
    words += ["--history-max", str(args.history_max)] if args.history_max is not None else []
    words += [f"--server-side={args.server_side}"] if args.server_side != "auto" else []
    return words + (["--force-conflicts"] if args.force_conflicts else [])


def _tell(args: argparse.Namespace, release: Release, found: Deployment, number: int, *, changed: bool) -> None:
    from helm_safe.report.console import console, line

    source = found.source
    if args.output != "text":
        from helm_safe.report.document import write_document

        body = {
            "release": release.name,
            "namespace": release.namespace,
            "revision": number,
            "deployed": changed and not args.dry_run,
            "source": {"overlay": source.overlay, "commit": source.commit, "dirty": source.dirty},
            "changes": _changes(found),
            "notes": notes(found),
        }
        write_document(body, args.output)
        return
    if not changed:
        words = f"nothing changed: revision {number} of {release} is this build already"
    elif args.dry_run:
        words = "dry run: nothing was deployed"
    else:
        words = f"{release} is at revision {number}; `helm safe-rollback {release.name} REVISION` goes back"
    line(console(no_color=args.no_color), words, "bold")
