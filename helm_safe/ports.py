"""The seams between what decides and what acts; adapters and fakes implement these and pass the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from helm_safe.core.objects import Object, ObjectRef
from helm_safe.model.asking import PodRequest, Proxied
from helm_safe.model.events import Event
from helm_safe.model.records import Approval, Record
from helm_safe.model.revisions import History, Release
from helm_safe.model.routes import NOTHING, Around, Backends, Foreign, Patch, RouteCapture, Weight
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import DryRun, HelmVersion, Resource, Served
from helm_safe.model.traffic import Backend, Reading, Sample


class Listing(NamedTuple):
    """Objects of one LIST and the resourceVersion from which a watch may go on."""

    items: list[Object]
    resource_version: str


Keep = Callable[[Object], Object | None]
"""What is kept of an object that is followed, its name and namespace included; None for one that nobody needs."""


def whole(obj: Object) -> Object | None:
    """Keep all of it."""
    return obj


class Following(AbstractContextManager["Following"], Protocol):
    """A view of one kind's objects in a namespace that keeps itself up to date, from `Cluster.follow` to `close`."""

    @property
    def refused(self) -> bool:
        """Whether watching is not allowed: `items` lists then, at most every two seconds."""
        ...

    def items(self) -> Sequence[Object]:
        """The objects by now. They are shared: nobody changes them.

        Raises Stale when the watch has shown no sign of life (event, bookmark, orderly end) for 30 s. After 60 s it
        lists, as often as it is asked, until the watch lives again, and raises what a list raises.
        """
        ...

    def age(self) -> float:
        """Seconds since the last sign of life, or the last list."""
        ...

    def refresh(self) -> None:
        """List now: what was written before this call is in the view after it. Raises what a list raises."""
        ...

    def close(self) -> None:
        """End the watch and its thread, as leaving the context does; the view is not used any more."""
        ...


PatchType = Literal["merge", "json", "strategic", "apply"]
ProxiedKind = Literal["pods", "services"]


Ask = Callable[[PodRequest], Proxied]
"""Asks one pod or Service; as `Cluster.proxied`."""


Check = Callable[[], None]
"""Asked right before a write; raises LostLease where this process may not write any more."""


class Cluster(Protocol):
    """The API server. Every method raises a model.errors.ClusterError subclass; nothing else leaves it."""

    def fenced(self, check: Check) -> Cluster:
        """The same cluster, where `check` is asked before each sending of a write, the repeated ones too.

        What `check` raises leaves create, patch and delete as it is.
        """
        ...

    def served(self) -> Served: ...

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, or None where the server answers 404."""
        ...

    def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """All pages of a list; every item carries apiVersion and kind, none its managedFields: `get` tells those."""
        ...

    def create(self, resource: Resource, obj: Object) -> Object: ...

    def patch(
        self,
        resource: Resource,
        ref: ObjectRef,
        patch: object,
        *,
        kind: PatchType = "merge",
        manager: str = "",
        subresource: str = "",
        force: bool = False,
    ) -> Object:
        """A write is never re-sent blindly: a lost answer is resolved by reading the object again."""
        ...

    def delete(
        self,
        resource: Resource,
        ref: ObjectRef,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
    ) -> bool:
        """False where the object was gone already; Conflict where uid or resourceVersion is another by now."""
        ...

    def dry_run(self, resource: Resource, obj: Object, *, manager: str, force: bool) -> DryRun:
        """A server-side apply with dryRun=All; refusals are the answer, not errors."""
        ...

    def watch(
        self,
        resource: Resource,
        namespace: str,
        *,
        since: str,
        seconds: float,
        labels: str = "",
        fields: str = "",
    ) -> Iterator[tuple[str, Object]]:
        """(event type, object) until `seconds` passed or the server ended it; Gone raises Conflict with status 410."""
        ...

    def follow(
        self, resource: Resource, namespace: str, *, labels: str = "", fields: str = "", keep: Keep = whole
    ) -> Following:
        """A list now, and from then on a watch in the background. keep: called from another thread, must not raise.

        Objects carry apiVersion and kind, none its managedFields.
        """
        ...

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        previous: bool = False,
        lines: int = 400,
        limit: int = 262144,
        since: float = 0.0,
    ) -> str:
        """The newest lines with timestamps, `limit` bytes at most; "" where there is no log.

        since: only those of the last so many seconds, 0 for all. Of very long lines the newest may be missing.
        """
        ...

    def allowed(self, verb: str, resource: Resource, namespace: str, subresource: str = "") -> bool:
        """SelfSubjectAccessReview."""
        ...

    def proxied(
        self, namespace: str, name: str, port: int | str, request: PodRequest, *, kind: ProxiedKind = "pods"
    ) -> Proxied:
        """One request to a pod or Service through the API server's `KIND/NAME:PORT/proxy`, sent once, redirects not
        followed.

        "https:" in front of the name asks by TLS. Whatever the pod says is the answer, also 404 and 500; the API
        server's own refusals (no such pod, not allowed) are raised.
        """
        ...

    def forwarded(self, namespace: str, name: str, port: int) -> AbstractContextManager[Ask]:
        """Requests to a pod's own port by port-forward, past whatever guards it in the pod's network.

        They arrive as from the pod itself, so no header is withheld. Nothing is sent before the first request;
        connections are kept between requests, opened anew where they broke, and closed with the context. `seconds` do
        not count the opening. Safe to share between threads; "https:" and the answers are as in `proxied`.
        """
        ...

    def tunnel(self, namespace: str, pod: str, port: int) -> AbstractContextManager[tuple[str, int]]:
        """The pod's port at an address of this machine, for any protocol over TCP, until the context is left.

        Nothing is asked before somebody connects; a pod that cannot be reached ends the connection.
        """
        ...

    def now(self) -> datetime:
        """The API server's clock, from the Date header of its answers."""
        ...


class NativeResult(NamedTuple):
    """What the helm process said; the truth is in the release record, which the caller reads again."""

    exit_code: int
    output: str


class Releases(Protocol):
    """Helm: its storage and its binary."""

    def fenced(self, check: Check) -> Releases:
        """The same releases, where `check` is asked right before helm is started or a record is removed."""
        ...

    def version(self) -> HelmVersion: ...

    def history(self, release: Release) -> History:
        """All revisions, oldest first. Raises NotFound when there is none."""
        ...

    def rollback(self, release: Release, revision: int, options: NativeOptions, *, timeout: float) -> NativeResult:
        """The native rollback in a process session of its own; never waits for health.

        Raises OutcomeUnknown when it does not end within `timeout` seconds.
        """
        ...

    def delete_record(self, release: Release, record: str, expect_status: str) -> None:
        """Remove one stale record of the storage, only if its status is still the expected one."""
        ...


class JournalStore(Protocol):
    """Append-only records of one run, in the order of writing; see journal/."""

    run_id: str

    def append(self, record: Record) -> None:
        """Durable when it returns. Raises LostLease when this process may not write any more."""
        ...

    def records(self) -> list[Record]: ...


class Lock(Protocol):
    """The fenced Lease of a release."""

    epoch: int

    def check(self) -> None:
        """Raise LostLease unless this process may still write. May take as long as a request to the API server."""
        ...

    def requests(self) -> Sequence[str]:
        """Requests left by other processes (pause, resume, promote, abort), oldest first."""
        ...

    def approvals(self) -> Sequence[Approval]:
        """What people said to runs that wait for them, oldest first; it outlives the process and its Lease."""
        ...

    def release(self) -> None: ...


class Clock(Protocol):
    """Time: `monotonic` seconds for durations, `now` for people, `sleep` that a test can skip."""

    def monotonic(self) -> float: ...
    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


class TrafficRouter(Protocol):
    """How one kind of route splits traffic: pure functions of the route; the caller reads, journals and writes.

    In routers, stable is the backend that has the traffic now and canary the one under trial. A backend is a Service,
    or "service/subset" for a part of its pods.
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> tuple[str, str]:
        """(group, kind) of the routes."""

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        """Other kinds that it looks at, through an Around."""

    @property
    def least(self) -> float:
        """The smallest share in percent that a route can give."""

    def mine(self, route: Object, around: Around) -> bool:
        """Whether an object of the kind is this router's: several gateways may read one kind."""

    def services(self, route: Object, around: Around = NOTHING, namespace: str = "") -> set[str]:
        """Backends of the namespace, by default the route's own, whose users this route moves."""

    def beside(self, route: Object, service: str, around: Around = NOTHING) -> set[str]:
        """Backends of the same namespace to which everything that goes to this one could be sent as well."""

    def problems(self, route: Object, service: str, around: Around = NOTHING) -> list[str]:
        """Why the traffic that the route sends to the backend cannot be split safely; empty where it can."""

    def shares(self, route: Object, around: Around = NOTHING) -> list[dict[str, float]]:
        """For each rule the percent of its requests per backend; "" for all that are none of the namespace."""

    def pinned(self, route: Object, service: str) -> list[str]:
        """Rules for requests with a certain header or cookie that go to the backend, in words."""

    def carrier(self, route: Object, pairs: Sequence[Backends], around: Around) -> Object | None:
        """The object to be made beside the route that carries the weights; None where the route carries them itself.

        Without any share for the canaries yet. Where there is one, it is the route of all other methods.
        """

    def capture(self, route: Object, *, pinned: bool = True) -> RouteCapture:
        """pinned: whether rules for requests with a certain header or cookie move as well."""

    def patch(self, captured: RouteCapture, live: Object, pairs: Sequence[Backends], weight: Weight) -> Patch:
        """The patch that gives each canary its share, computed from the captured route; empty where it has it."""

    def restore(self, captured: RouteCapture, live: Object) -> Patch:
        """The patch back to the captured backends; empty where they are there."""

    def foreign(
        self, captured: RouteCapture, live: Object, pairs: Sequence[Backends], weights: Sequence[Weight | None]
    ) -> Foreign | None:
        """What somebody else changed. weights: those that we may have written last, None for the captured ones."""

    def share(self, route: Object, pairs: Sequence[Backends]) -> Weight | None:
        """The canaries' share by the object's own words; None where its rules name none or disagree."""

    def converged(self, route: Object) -> bool | None:
        """Whether those who carry the route out have accepted it; None where nobody says."""


class MetricProvider(Protocol):
    """Cumulative counters of backends; two samples make a window (model.traffic.window)."""

    def sample(self, backends: Sequence[Backend], ago: float = 0.0) -> Mapping[Backend, Sample]:
        """The newest counters, one Sample for every backend asked for; empty where it was never asked anything.

        ago: seconds back in time, for those who keep the past; `Sample.at` tells what time it really is of. Raises
        NoData when the numbers cannot be had or cannot be told apart.
        """
        ...


class QueryProvider(Protocol):
    """Answers queries in the language of one monitoring system: the user's own metrics.

    summed: whether a query for a count answers increments per interval, to be summed over the time asked for; else it
    answers a counter's present total.
    """

    summed: bool

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        """The readings within the time, oldest first; the newest one alone where the system keeps no history.

        The query's placeholders are filled in already. Raises NoData where there is none (also: no such
        metric) or nobody answers, UsageError for a query that the system cannot read and for lacking credentials.
        """
        ...


class Reporter(Protocol):
    """What people and machines see of a run while it goes on."""

    def event(self, event: Event) -> None: ...


Confirm = Callable[[str], bool]
