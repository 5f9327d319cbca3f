"""The fenced Lease of a release: one run at a time, and a process that lost it never writes again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from helm_safe.core.annotations import MANAGED_BY, MANAGED_BY_LABEL, PREFIX, RELEASE_LABEL, ROLE_LABEL
from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig
from helm_safe.core.printable import printable
from helm_safe.model.errors import Blocked, ClusterError, Conflict, LostLease
from helm_safe.model.records import Approval
from helm_safe.model.resources import LEASES
from helm_safe.model.revisions import Release
from helm_safe.ports import Clock, Cluster

DURATION = 15.0  # seconds without renewal after which an observer may take the Lease
HOLDS = 10.0  # seconds after the sending of a renewal in which the holder writes: what is under way then has 5 more
RENEW_EVERY = 4.0
REQUESTS = PREFIX + "requests"
APPROVALS = PREFIX + "approvals"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a Lease: `since` and `renewed` are the holder's words, good for people only."""

    identity: str
    since: str
    renewed: str
    epoch: int
    requests: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()


def read_holder(lease: Object) -> Holder:
    spec = lease.get("spec") or {}
    return Holder(
        identity=str(spec.get("holderIdentity") or ""),
        since=str(spec.get("acquireTime") or ""),
        renewed=str(spec.get("renewTime") or ""),
        epoch=int(spec.get("leaseTransitions") or 0),
        requests=_requests_of(lease),
        approvals=tuple(_approvals_of(lease)),
    )


class Lease:
    """Holds `helm-safe.<release>` and renews it in the background until released or lost.

    The epoch is the Lease's own count of transitions: it grows with each holder and is never reset, because the object
    is released but not deleted. Expiry is judged by this process's monotonic clock, never by comparing wall clocks.

    An observer waits DURATION from when it saw the last renewal, which was sent before that; the holder counts HOLDS
    from the sending. So the holder stops first, however slow network and API server are, and also when it was suspended
    meanwhile.
    """

    def __init__(self, cluster: Cluster, release: Release, identity: str, clock: Clock) -> None:
        self._cluster = cluster
        self._release = release
        self._clock = clock
        self._renewing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._resource_version = ""
        self._renewed = clock.monotonic()
        self._lost = ""
        self._requests: tuple[str, ...] = ()
        self._approvals: tuple[Approval, ...] = ()
        self.identity = identity
        self.epoch = 0

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(LEASES.gvk.group, "Lease", self._release.namespace, lease_name(self._release))

    def acquire(self, *, notice: Callable[[str], None] = lambda _: None) -> None:
        """Take the Lease. Raises Blocked when another process holds it and renews it."""
        existing = self._read()
        if existing is None:
            self._create()
        else:
            holder = read_holder(existing)
            if holder.identity:
                existing = self._outlive(existing, holder, notice)
            self._take(existing)
        self._thread = threading.Thread(target=self._renew_forever, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise LostLease where somebody may have taken over.

        Nobody has while the last renewal is recent; later than that it is renewed here and now, which tells.
        """
        if self._overdue():
            self._catch_up()
        if self._lost:
            raise LostLease(self._lost, self._look)

    def requests(self) -> tuple[str, ...]:
        """Requests left on the Lease by other processes, oldest first, as of the last renewal."""
        return self._requests

    def approvals(self) -> tuple[Approval, ...]:
        """What people said to runs that wait for them, as of the last renewal. A new holder finds it too."""
        return self._approvals

    def release(self) -> None:
        """Give the Lease back; the object stays, it keeps the epoch. Never raises: expiry frees it anyway."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=RENEW_EVERY + 1)
        if self._lost or self._overdue():
            return
        try:
            self._write({"holderIdentity": "", "renewTime": _micro(self._clock.now())}, requests=[])
        except ClusterError:
            return

    def _read(self) -> Object | None:
        return self._cluster.get(LEASES, self._release.namespace, lease_name(self._release))

    def _outlive(self, lease: Object, holder: Holder, notice: Callable[[str], None]) -> Object:
        """Watch a held Lease for its whole duration; only one that nobody renews may be taken."""
        notice(f"{holder.identity} held the Lease; waiting {DURATION:.0f} s to see whether it is alive")
        start = self._clock.monotonic()
        while self._clock.monotonic() - start <= DURATION:
            self._clock.sleep(1.0)
            lease = self._read() or lease  # a request or an approval may have been left on it meanwhile
            now = read_holder(lease)
            if not now.identity:
                return lease
            if (now.renewed, now.identity) != (holder.renewed, holder.identity):
                raise held_by(self._release, now)
        return lease

    def _create(self) -> None:
        now = _micro(self._clock.now())
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": lease_name(self._release),
                "namespace": self._release.namespace,
                "labels": {
                    MANAGED_BY_LABEL: MANAGED_BY,
                    ROLE_LABEL: "lease",
                    RELEASE_LABEL: self._release.name,
                },
            },
            "spec": self._spec(now, epoch=1),
        }
        sent = self._clock.monotonic()
        try:
            made = self._cluster.create(LEASES, body)
        except Conflict as error:
            raise held_by(self._release, read_holder(self._read() or {})) from error
        self._adopt(made, sent)

    def _take(self, lease: Object) -> None:
        self._resource_version = str(dig(lease, "metadata", "resourceVersion"))
        spec = self._spec(_micro(self._clock.now()), epoch=read_holder(lease).epoch + 1)
        try:
            self._write(spec, requests=[])
        except Conflict as error:
            raise held_by(self._release, read_holder(self._read() or {})) from error

    def _spec(self, now: str, *, epoch: int) -> dict[str, Any]:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": epoch,
        }

    def _write(self, spec: dict[str, Any], requests: list[str] | None = None) -> None:
        metadata: dict[str, Any] = {"resourceVersion": self._resource_version}
        if requests is not None:
            metadata["annotations"] = {REQUESTS: json.dumps(requests)}
        sent = self._clock.monotonic()
        made = self._cluster.patch(LEASES, self.ref, {"metadata": metadata, "spec": spec}, manager=MANAGED_BY)
        self._adopt(made, sent)

    def _adopt(self, lease: Object, sent: float) -> None:
        holder = read_holder(lease)
        self._resource_version = str(dig(lease, "metadata", "resourceVersion"))
        self._renewed = sent
        self.epoch = holder.epoch
        self._requests = holder.requests
        self._approvals = holder.approvals

    def _overdue(self) -> bool:
        return self._clock.monotonic() - self._renewed > HOLDS

    @property
    def _look(self) -> str:
        name, namespace = self._release.name, self._release.namespace
        return f"This process writes nothing more. Look with `helm safe-rollback status {name} -n {namespace}`."

    def _catch_up(self) -> None:
        """Renew now: the API server or this process stood still. Raises LostLease where that does not succeed."""
        problem = "the API server is slow"
        with self._renewing:
            try:
                if self._overdue() and not self._lost:
                    self._renew()
            except ClusterError as error:
                problem = error.message
        if self._overdue() and not self._lost:
            name = f"{self._release.name} -n {self._release.namespace}"
            raise LostLease(
                f"the run stopped in the middle: the Lease of release {self._release} could not be renewed for "
                f"{HOLDS:.0f} s: {problem}",
                f"This process writes nothing more. Once that is mended, `helm safe-rollback resume {name}` goes on, "
                "and `abort` puts things back; `status` tells whether another process took over.",
            )

    def _renew_forever(self) -> None:
        while not self._stop.wait(RENEW_EVERY) and not self._lost:
            try:
                with self._renewing:
                    self._renew()
            except ClusterError:
                continue  # check() stops the writes when renewals stay away too long

    def _renew(self) -> None:
        # Overdue, it may be another's by now: whoever stood still reads before it writes.
        if self._overdue() and not self._still_ours():
            return
        try:
            self._write({"renewTime": _micro(self._clock.now())})
        except Conflict:
            if self._still_ours():
                self._write({"renewTime": _micro(self._clock.now())})

    def _still_ours(self) -> bool:
        """Read the Lease again, and note it where another process took it."""
        fresh = self._read() or {}
        holder = read_holder(fresh)
        if (holder.identity, holder.epoch) != (self.identity, self.epoch):
            self._lost = f"{holder.identity or 'somebody'} took over the Lease of release {self._release}"
            return False
        self._resource_version = str(dig(fresh, "metadata", "resourceVersion"))
        return True


def lease_name(release: Release) -> str:
    return f"helm-safe.{release.name}"


def held_by(release: Release, holder: Holder) -> Blocked:
    """The refusal that names who holds the Lease since when."""
    return Blocked(
        f"another run works on release {release}: {holder.identity or 'unknown'} holds it since {holder.since}",
        f"Look at it with `helm safe-rollback status {release.name} -n {release.namespace}`, or stop it with `abort`.",
    )


def current_holder(cluster: Cluster, release: Release) -> Holder | None:
    """Who holds the Lease of a release by its own word, None when nobody does."""
    lease = cluster.get(LEASES, release.namespace, lease_name(release))
    holder = read_holder(lease) if lease else None
    return holder if holder and holder.identity else None


def leave_request(cluster: Cluster, release: Release, verb: str) -> None:
    """Ask the process that holds the Lease to pause, resume, promote or abort; it reads this with its next renewal.

    Raises Conflict when the Lease keeps changing under us, which a second call resolves.
    """
    lease = cluster.get(LEASES, release.namespace, lease_name(release)) or {}
    _annotate(cluster, release, lease, REQUESTS, [*_requests_of(lease), verb])


def leave_approval(cluster: Cluster, release: Release, approval: Approval) -> None:
    """Let the run that waits go on, whoever works on it, now or later; words to older runs are dropped.

    Raises Conflict when the Lease keeps changing under us, which a second call resolves.
    """
    lease = cluster.get(LEASES, release.namespace, lease_name(release)) or {}
    kept = [each for each in _approvals_of(lease) if each.run == approval.run]
    _annotate(cluster, release, lease, APPROVALS, [each._asdict() for each in (*kept, approval)])


def _annotate(cluster: Cluster, release: Release, lease: Object, name: str, entries: list[Any]) -> None:
    metadata = {
        "resourceVersion": str(dig(lease, "metadata", "resourceVersion")),
        "annotations": {name: json.dumps(entries)},
    }
    ref = ObjectRef(LEASES.gvk.group, "Lease", release.namespace, lease_name(release))
    cluster.patch(LEASES, ref, {"metadata": metadata}, manager=MANAGED_BY)


def _requests_of(lease: Object) -> tuple[str, ...]:
    return tuple(str(each) for each in _entries(lease, REQUESTS))


def _approvals_of(lease: Object) -> Iterator[Approval]:
    for each in _entries(lease, APPROVALS):
        if isinstance(each, dict) and each.keys() == set(Approval._fields):
            yield Approval(**{name: printable(str(value))[:200] for name, value in each.items()})


def _entries(lease: Object, name: str) -> list[Any]:
    """The list in an annotation; anybody who may write the Lease may have written it."""
    try:
        found = json.loads(annotations_of(lease).get(name, "[]"))
    except (ValueError, TypeError):
        return []
    return found if isinstance(found, list) else []


def _micro(moment: datetime) -> str:
    """The MicroTime spelling that Leases use."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
