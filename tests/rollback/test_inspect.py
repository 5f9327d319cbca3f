"""What is listed: routes of other namespaces too, where they may be read and concern the release."""

from __future__ import annotations

from typing import Any

from helm_safe.core.objects import Object, ObjectRef
from helm_safe.model.changes import Change
from helm_safe.model.errors import Forbidden
from helm_safe.model.revisions import Release, Revision, RevisionStatus
from helm_safe.model.snapshot import Resource
from helm_safe.ports import Listing
from helm_safe.rollback.inspect import Live, list_live
from tests.fakes.cluster import FakeCluster

RELEASE = Release("shop", "api")
GROUP = "gateway.networking.k8s.io"
HTTP_ROUTE = (GROUP, "HTTPRoute")


class Near(FakeCluster):
    """May list everything in the release's namespace, and no route elsewhere."""

    def list(self, resource: Resource, namespace: str = "", **selectors: Any) -> Listing:
        if not namespace and (resource.gvk.group, resource.gvk.kind) == HTTP_ROUTE:
            self.reads.append(("list", "HTTPRoute"))
            raise Forbidden("you may not list httproutes")
        return super().list(resource, namespace, **selectors)


def route(name: str, namespace: str, backend: Object) -> Object:
    spec = {"rules": [{"backendRefs": [backend]}]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def objects() -> list[Object]:
    return [
        route("own", "shop", {"name": "api"}),
        route("foreign", "edge", {"name": "api", "namespace": "shop"}),
        route("stranger", "far", {"name": "api"}),
        route("charted", "edge", {"name": "web"}),
    ]


def looked(cluster: FakeCluster) -> Live:
    charted = ObjectRef(GROUP, "HTTPRoute", "edge", "charted")
    revisions = [Revision(number, RevisionStatus.DEPLOYED, "", objects={charted: objects()[3]}) for number in (2, 1)]
    return list_live(cluster, cluster.served(), Change(*revisions), RELEASE)


def names(live: Live) -> list[str]:
    return sorted(ref.name for ref in live.objects if (ref.group, ref.kind) == HTTP_ROUTE)


def test_routes_elsewhere_count_where_they_send_users_here_or_belong_to_the_release() -> None:
    live = looked(FakeCluster(objects()))
    assert names(live) == ["charted", "foreign", "own"]
    assert HTTP_ROUTE in live.listed
    assert live.near == ()


def test_who_may_not_look_elsewhere_is_not_stopped_and_told() -> None:
    """One call more, and the release's own routes are as well known as before."""
    everything, near = FakeCluster(objects()), Near(objects())
    looked(everything)
    live = looked(near)
    assert HTTP_ROUTE in live.listed
    assert not live.denied
    assert live.near == ("HTTPRoute",)
    assert "own" in names(live)
    assert near.reads.count(("list", "HTTPRoute")) == everything.reads.count(("list", "HTTPRoute")) + 1
