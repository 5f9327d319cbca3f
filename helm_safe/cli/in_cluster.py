"""`--in-cluster` and `--print-manifests`: the run as a Job, with an account that has the rights of this run alone."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from helm_safe.cli import options
from helm_safe.model.errors import OK, HelmSafeError, UsageError
from helm_safe.model.options import OPTIONS

if TYPE_CHECKING:
    from helm_safe.core.objects import Object
    from helm_safe.model.revisions import Release
    from helm_safe.rollback.context import World
    from helm_safe.rollback.prepare import Prepared

_NATIVE = ("no_hooks", "cleanup_on_fail", "force_conflicts", "force_replace")


def run(args: argparse.Namespace) -> int:
    """Show the plan, ask, make the Job and follow it; Ctrl-C leaves it at work."""
    from helm_safe.cli import plan, watching, wiring
    from helm_safe.model.errors import Blocked
    from helm_safe.rollback.prepare import prepare, question, refuse_if_blocked
    from helm_safe.rollback.runs import refuse_if_unfinished

    if args.watchdog:
        raise UsageError(
            "--watchdog guards a run from a terminal; with --in-cluster the Job's controller looks after it",
            "Leave one of the two away.",
        )
    number = options.revision_number(args.revision)
    reporter = wiring.reporter_of(args)
    world, release, asked = wiring.open_asked(args, reporter, wiring.settings_of(args))
    if not args.print_manifests:
        refuse_if_unfinished(world, release)
    prepared = prepare(world, release, number, asked)
    objects = manifests(args, world, release, prepared)
    if args.print_manifests:
        from helm_safe.core import yamlio

        # The Job last: its process must find its rights.
        sys.stdout.write("---\n".join(yamlio.dump(obj) for obj in (*objects[1:], objects[0])))
        return OK
    if args.output == "text":
        plan.show_text(args, prepared)
    refuse_if_blocked(prepared)
    if not args.yes and not watching.asking(reporter)(question(prepared)):
        raise Blocked("you said no; the release is untouched")
    carry_out(world, release, objects)
    return OK


def carry_out(world: World, release: Release, objects: list[Object]) -> None:
    """Make the Job, follow it, and clear it away. Raises what the run's end says."""
    from helm_safe.rollback import elsewhere
    from helm_safe.rollback.runs import latest_run

    newest = latest_run(world, release)
    elsewhere.launch(world, objects)
    try:
        state = elsewhere.follow(world, release, newest.run_id if newest else "")
    except HelmSafeError:  # it never began, or its Job gave up
        elsewhere.clear(world, objects)
        raise
    except BaseException:  # whatever became of this terminal: the run is not its
        name = f"{release.name} -n {release.namespace}"
        words = f"The Job goes on. `helm safe-rollback status {name}` tells how far; `abort {name}` stops it."
        print(words, file=sys.stderr)  # noqa: T201 - the last word of an interrupted command
        raise
    elsewhere.clear(world, objects)
    elsewhere.raise_for(release, state)


def manifests(args: argparse.Namespace, world: World, release: Release, prepared: Prepared) -> list[Object]:
    """The Job first, then what it needs. Raises UsageError without an image, or for a policy that cannot be read."""
    from helm_safe.cli import rbac
    from helm_safe.model import in_cluster
    from helm_safe.rollback import permissions

    image = prepared.snapshot.settings.resolved.value("in-cluster.image")
    if not image:
        raise UsageError(
            "--in-cluster: no image is named", "Name one with --image, or in the policy (in-cluster.image)."
        )
    target = prepared.plan.target
    rights = rbac.rights(world, release, prepared.history, target, prepared.snapshot.settings)
    text = _policy_text(args.policy)
    made = [in_cluster.policy_map(release, text)] if text else []
    said = words(args, release, target, policy=bool(text))
    job = in_cluster.job(release, image, said, policy=bool(text), driver=_driver(os.environ.get("HELM_DRIVER", "")))
    account = in_cluster.account(release, in_cluster.RUNNER)
    return [
        job,
        account,
        *in_cluster.bindings(release, in_cluster.RUNNER, permissions.roles(rights, release)),
        *made,
    ]


def words(args: argparse.Namespace, release: Release, target: int, *, policy: bool) -> list[str]:
    """The command line of the Job's process: the same run, whose consent was given here."""
    found = ["run", release.name, str(target), "-n", release.namespace, "--yes", "--or-resume", "--plain"]
    for key, text in options.option_flags(args).items():
        found += [OPTIONS[key].flag, str(text)]
    for pair in args.accept:
        found += ["--accept", pair]
    for name in args.recreate:
        found += ["--recreate", name]
    found += [f"--{name.replace('_', '-')}" for name in _NATIVE if getattr(args, name)]
    found += ["--server-side", args.server_side] if args.server_side != "auto" else []
    found += ["--incident", args.incident] if args.incident else []
    found += ["--notify-dry-run"] if args.notify_dry_run else []
    found += ["--description", args.description] if args.description else []
    found += ["--history-max", str(args.history_max)] if args.history_max is not None else []
    return [*found, "--policy", "/policy/policy.yaml"] if policy else found


def _policy_text(path: str | None) -> str:
    """The file that --policy names; "" for none. It was read and checked before."""
    return Path(path).read_text(encoding="utf-8") if path else ""


def _driver(name: str) -> str:
    """Where Helm keeps its records, for the Job. Raises UsageError where only this machine can read them."""
    if name in ("sql", "memory"):
        raise UsageError(
            f"HELM_DRIVER={name}: a Job cannot read these records, it has no credentials but its own token",
            "Run it from a terminal.",
        )
    return name
