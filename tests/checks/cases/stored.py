"""Worlds of stored data: formats on disk, restore points, volumes that one node has, what others still use."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.model.snapshot import Snapshot
from tests.checks.world import (
    NOW,
    container,
    deployment,
    fires,
    live_secret,
    obj,
    pod,
    quiet,
    revision,
    secret,
    world,
)


def database(image: str, kind: str = "StatefulSet", **spec: Any) -> Object:
    templates = [{"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}]
    mounted = container(image=image, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    return deployment("db", mounted, kind=kind, volumeClaimTemplates=templates, **spec)


def back(old: str, new: str) -> Snapshot:
    return world([database(old)], [database(new)]).snapshot()


@fires(
    "DISK-001", severity="error", object="StatefulSet/db", says="PostgreSQL 16.4", evidence="revision 2: postgres:17.1"
)
def postgres_goes_back_a_major_version() -> Snapshot:
    return back("postgres:16.4-alpine", "postgres:17.1")


@fires("DISK-001", severity="error", says="PostgreSQL 15")
def the_tag_of_an_extension_names_postgres() -> Snapshot:
    return back("timescale/timescaledb:2.14.2-pg15", "timescale/timescaledb:2.14.2-pg16")


@fires("DISK-001", severity="error", says="MySQL 8.0.34")
def mysql_before_patches_were_compatible() -> Snapshot:
    return back("mysql:8.0.34", "mysql:8.0.36")


@fires("DISK-001", severity="error", says="Redis 7.2.5")
def redis_writes_another_format() -> Snapshot:
    return back("bitnami/redis:7.2.5", "bitnami/redis:7.4.1")


@fires("DISK-001", severity="warning", says="RabbitMQ 3.12")
def rabbitmq_may_refuse() -> Snapshot:
    return back("rabbitmq:3.12-management", "rabbitmq:3.13-management")


@fires("DISK-001", severity="error", object="Cluster/main", evidence="revision 2: 17.2")
def an_operator_is_told_to_go_back() -> Snapshot:
    def cluster(image: str) -> Object:
        return obj("Cluster", "main", "postgresql.cnpg.io", spec={"imageName": image})

    return world([cluster("ghcr.io/cloudnative-pg/postgresql:16.4")], [cluster("ghcr.io/x/postgresql:17.2")]).snapshot()


@fires("DISK-001", severity="error", evidence="revision 2: postgres:17")
def a_revision_between_wrote_the_newer_format() -> Snapshot:
    """The engine is out of the chart now, and its claim was left."""
    old, between = revision(1, database("postgres:16")), revision(2, database("postgres:17"))
    base = world([])
    return base._replace(target=old, current=replace(base.current, number=3)).snapshot(older=(between,))


@fires("DISK-001", status="unverified", says="do not tell which one is older")
def digests_tell_no_version() -> Snapshot:
    return back("postgres@sha256:1", "postgres@sha256:2")


@fires("DISK-001", status="unverified")
def a_floating_tag_may_be_any_of_its_series() -> Snapshot:
    return back("redis:7", "redis:7.2.5")


@quiet("DISK-001")
def a_patch_goes_back() -> Snapshot:
    return back("postgres:16.1", "postgres:16.4")


@quiet("DISK-001")
def a_patch_of_mysql_goes_back() -> Snapshot:
    return back("mysql:8.4.1", "mysql:8.4.3")


@quiet("DISK-001")
def redis_writes_the_same_format() -> Snapshot:
    return back("redis:6.0.16", "redis:6.2.14")


@quiet("DISK-001")
def the_engine_goes_forward() -> Snapshot:
    return back("postgres:17", "postgres:16")


@quiet("DISK-001")
def the_engine_stays() -> Snapshot:
    return back("postgres:latest", "postgres:latest")


@quiet("DISK-001")
def a_database_without_a_disk() -> Snapshot:
    return world(
        [deployment("db", container(image="postgres:16"))], [deployment("db", container(image="postgres:17"))]
    ).snapshot()


@quiet("DISK-001")
def an_exporter_is_no_engine() -> Snapshot:
    return back("prometheuscommunity/postgres-exporter:0.14", "prometheuscommunity/postgres-exporter:0.15")


CLAIM = obj("PersistentVolumeClaim", "data-db-0", spec={"accessModes": ["ReadWriteOnce"]})


def taken(minutes: int, *, ready: bool = True) -> Object:
    moment = (NOW - timedelta(minutes=minutes)).isoformat()
    source = {"persistentVolumeClaimName": "data-db-0"}
    return obj(
        "VolumeSnapshot",
        f"s{minutes}",
        "snapshot.storage.k8s.io",
        spec={"source": source},
        status={"readyToUse": ready, "creationTime": moment},
    )


def stored(*live: Object, old: str = "shop:1", new: str = "shop:2") -> Snapshot:
    return world([database(old)], [database(new)], [CLAIM, *live]).snapshot()


@fires("SNAP-001", severity="warning", object="PersistentVolumeClaim/data-db-0", says="serves no VolumeSnapshots")
def no_restore_point() -> Snapshot:
    return stored()


@fires("SNAP-001", severity="warning", says="no VolumeSnapshot of it is ready")
def the_only_one_is_not_ready() -> Snapshot:
    return stored(taken(30, ready=False))


@fires("SNAP-001", severity="info", says="is 30 min old", evidence="VolumeSnapshot/s30")
def the_newest_ready_one_counts() -> Snapshot:
    return stored(taken(600), taken(30), taken(5, ready=False))


@quiet("SNAP-001")
def the_code_on_that_data_stays() -> Snapshot:
    return stored(old="shop:1", new="shop:1")


@quiet("SNAP-001")
def nothing_was_written_yet() -> Snapshot:
    pending = {**CLAIM, "status": {"phase": "Pending"}}
    return world([database("shop:1")], [database("shop:2")], [pending]).snapshot()


@quiet("SNAP-001")
def no_data_no_restore_point() -> Snapshot:
    return world([deployment("web", container(image="a:1"))], [deployment("web", container(image="a:2"))]).snapshot()


def mounting(image: str, **spec: Any) -> Object:
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    return deployment("web", container(image=image), replicas=1, pod={"volumes": volumes}, **spec)


def rolling(*modes: str, **spec: Any) -> Snapshot:
    claim = obj("PersistentVolumeClaim", "data", spec={"accessModes": list(modes)})
    return world([mounting("a:1", **spec), claim], [mounting("a:2", **spec), claim]).snapshot()


@fires("STOR-RWO-001", severity="warning", object="Deployment/web", evidence="surge: 1")
def two_pods_want_one_volume() -> Snapshot:
    return rolling("ReadWriteOnce")


@quiet("STOR-RWO-001")
def there_is_one_node_only() -> Snapshot:
    claim = obj("PersistentVolumeClaim", "data", spec={"accessModes": ["ReadWriteOnce"]})
    old, new = mounting("a:1"), mounting("a:2")
    return world([old, claim], [new, claim], [new, claim, obj("Node", "n")]).snapshot()


@quiet("STOR-RWO-001")
def many_nodes_may_have_it() -> Snapshot:
    return rolling("ReadWriteMany")


@quiet("STOR-RWO-001")
def the_old_pod_stops_first() -> Snapshot:
    return rolling("ReadWriteOnce", strategy={"type": "Recreate"})


@quiet("STOR-RWO-001")
def without_surge_the_old_pod_stops_first() -> Snapshot:
    return rolling("ReadWriteOnce", strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}})


def stuck(ready: str = "False", **spec: Any) -> Snapshot:
    waits = {"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    broken = pod("db", 0, conditions=[{"type": "Ready", "status": ready}], containerStatuses=[waits])
    return world([database("a:1", **spec)], [database("a:2", **spec)], [broken]).snapshot()


@fires("STS-STUCK-001", object="StatefulSet/db", says="waits for db-0", evidence="Pod/db-0: CrashLoopBackOff")
def a_pod_in_order_is_broken() -> Snapshot:
    return stuck()


@quiet("STS-STUCK-001")
def all_pods_are_ready() -> Snapshot:
    return stuck(ready="True")


@quiet("STS-STUCK-001")
def pods_start_in_any_order() -> Snapshot:
    return stuck(podManagementPolicy="Parallel")


def cron(name: str = "report", **spec: Any) -> Object:
    return deployment(name, container(envFrom=[{"secretRef": {"name": "keys"}}]), **spec)


@fires("SEC-DEL-001", object="Secret/keys", evidence="Deployment/report: envFrom of container app")
def a_stranger_uses_what_goes() -> Snapshot:
    return world([], [secret(a="1")], [live_secret(a="1"), cron()]).snapshot()


@fires("SEC-DEL-001", object="Secret/keys", evidence="Ingress/front: certificate")
def an_ingress_uses_the_certificate() -> Snapshot:
    front = obj("Ingress", "front", "networking.k8s.io", spec={"tls": [{"secretName": "keys"}]})
    return world([], [secret(a="1")], [live_secret(a="1"), front]).snapshot()


@quiet("SEC-DEL-001")
def only_the_release_uses_it() -> Snapshot:
    used = cron()
    return world([], [secret(a="1"), used], [live_secret(a="1"), used, pod("report")]).snapshot()


@quiet("SEC-DEL-001")
def it_is_kept() -> Snapshot:
    keep = {**live_secret(a="1")}
    keep["metadata"] = {**keep["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}
    return world([], [secret(a="1")], [keep, cron()]).snapshot()
