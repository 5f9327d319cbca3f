"""COMMIT's preparation: the broken workload out of the way while nobody meets it, and its way back."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timezone
from typing import Any

from helm_safe.core.annotations import MANAGED_BY, MANAGED_BY_LABEL, RELEASE_LABEL, ROLE_LABEL, RUN_LABEL
from helm_safe.core.objects import Object, dig, sequence
from helm_safe.model.machine import Verdict
from helm_safe.model.plan import Step
from helm_safe.model.records import Kind
from helm_safe.model.resources import ENDPOINT_SLICES, SERVICE_NAME, SERVICES
from helm_safe.model.routes import service_of
from helm_safe.rollback.commit import Outcome, failed, passed, scale
from helm_safe.rollback.context import Run
from helm_safe.rollback.pods import PodWatch
from helm_safe.rollback.standby import make
from helm_safe.rollback.traffic import OBJECTS, Stuck, settle

POLL = 2.0
GONE_WITHIN = 120.0
BACK_WITHIN = 300.0
ANY_AGE = datetime.min.replace(tzinfo=timezone.utc)


def drain(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Scale the workloads that nobody uses any more to 0, and wait until their pods no longer serve."""
    linger(run, step, step.args["workloads"])
    for name in step.args["workloads"]:
        scale(run, name, 0)
    deadline = run.world.clock.monotonic() + GONE_WITHIN
    pods = PodWatch(run, step.stage, list(step.args["workloads"]), {}, since=ANY_AGE)
    while left := len(pods.pods()):
        run.safe_point("while the pods that nobody uses end; users are on proven pods")
        if run.world.clock.monotonic() > deadline:
            return failed(f"{left} pods of the current revision do not end")
        run.world.clock.sleep(POLL)
    settle(run)
    return passed(f"{', '.join(step.args['workloads'])} at 0: no broken pod is left to meet")


def refill(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - idempotent
    """Undo of `drain`: the pods of before come back, up and serving, before any route points to them."""
    if "drain" not in run.progress.begun and "drain" not in run.progress.done:
        return passed("nothing had been scaled down")
    return bring_back(run, step)


def linger(run: Run, step: Step, names: Sequence[str]) -> None:
    """Before pods go: time for connections that are open to end by themselves (`drain-wait`)."""
    seconds = float(run.settings.resolved.value("drain-wait")) if names else 0.0
    if seconds:
        words = f"waiting {seconds:g} s for open connections to {', '.join(names)} to end (drain-wait)"
        run.tell(step.stage, words)
    until = run.world.clock.monotonic() + seconds
    while run.world.clock.monotonic() < until:
        run.safe_point("while open connections end; users are on proven pods")
        run.world.clock.sleep(min(POLL, until - run.world.clock.monotonic()))


def bring_back(run: Run, step: Step) -> Outcome:
    """The captured pods of the live workloads, up and serving."""
    wanted: dict[str, int] = step.args["wanted"]
    for name, count in wanted.items():
        scale(run, name, count, only_up=True)
    since = run.progress.started_at or run.world.cluster.now()
    pods = PodWatch(run, step.stage, list(wanted), wanted, since)
    deadline = run.world.clock.monotonic() + BACK_WITHIN
    while pods.look().verdict is not Verdict.PASS:
        run.stop_here("while the pods of before come back; users are on proven pods")
        if run.world.clock.monotonic() > deadline:
            return failed(f"the pods of before do not come back, so users stay where they are: {pods.said}")
        run.world.clock.sleep(POLL)
    settle(run)
    return passed(f"the pods of before are back: {pods.said}")


def bridge(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - what is there already is kept
    """Lend the live Services the known-good pods, by EndpointSlices of our own: whatever Helm writes into the routes,
    users end at proven pods. No Service and no pod is touched for it.
    """
    made = [piece for pair in _pairs(run) for piece in _lent(run, *pair)]
    if not run.captured(OBJECTS):
        refs = [
            ["discovery.k8s.io", "EndpointSlice", run.release.namespace, dig(each, "metadata", "name")] for each in made
        ]
        run.record(Kind.CAPTURED, step.stage, OBJECTS, {"refs": refs})
    for piece in made:
        make(run, piece)
    return passed(f"{len(made)} pieces of known-good endpoints serve the release's own Services too")


def _pairs(run: Run) -> list[tuple[str, str]]:
    """Services that lend and borrow; subsets of one Service have its endpoints already."""
    pairs = run.plan.traffic.pairs if run.plan.traffic else ()
    names = [(service_of(pair.stable), service_of(pair.canary)) for pair in pairs]
    return [(live, good) for live, good in names if live != good]


def _lent(run: Run, live: str, good: str) -> list[Object]:
    """The known-good Service's endpoints under the live Service's name, with the live Service's names of ports."""
    cluster, namespace = run.world.cluster, run.release.namespace
    owner, lender = (cluster.get(SERVICES, namespace, name) for name in (live, good))
    pieces = cluster.list(ENDPOINT_SLICES, namespace, labels=f"{SERVICE_NAME}={good}").items
    made = []
    for number, piece in enumerate(pieces):
        ports = [_port(port, owner or {}, lender or {}) for port in sequence(piece, "ports")]
        labels = {
            SERVICE_NAME: live,
            "endpointslice.kubernetes.io/managed-by": MANAGED_BY,
            MANAGED_BY_LABEL: MANAGED_BY,
            RELEASE_LABEL: run.release.name,
            RUN_LABEL: run.journal.run_id,
            ROLE_LABEL: "standby",
        }
        made.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": f"{live}-bridge-{number}", "namespace": namespace, "labels": labels},
                "addressType": piece.get("addressType"),
                "ports": [port for port in ports if port],
                "endpoints": deepcopy(sequence(piece, "endpoints")),
            }
        )
    if not any(piece["ports"] and piece["endpoints"] for piece in made):
        raise Stuck(f"Service/{good} has no endpoints that Service/{live} could borrow")
    return made


def _port(port: dict[str, Any], owner: Object, lender: Object) -> dict[str, Any] | None:
    """The port under the name that the owner gives to the lender's Service port of the same number."""
    numbers = {str(dig(each, "name") or ""): dig(each, "port") for each in sequence(lender, "spec", "ports")}
    names = {dig(each, "port"): str(dig(each, "name") or "") for each in sequence(owner, "spec", "ports")}
    number = numbers.get(str(port.get("name") or ""))
    return {**port, "name": names[number]} if number in names else None
