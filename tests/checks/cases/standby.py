"""Worlds in which a workload would be doubled: what must not be, what cannot be, and what is copied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.model.staging import staging_of
from tests.checks.world import container, deployment, fires, live_secret, obj, quiet, ref, secret, service, world

ROUTE = ref("HTTPRoute", "web", "gateway.networking.k8s.io")
NEW = "registry.example/shop:2"
CHECKS = (
    "DB-BOOT-001",
    "DB-SYNC-001",
    "STBY-001",
    "STBY-002",
    "STBY-003",
    "STBY-004",
    "STBY-005",
    "STBY-006",
    "STBY-007",
    "STBY-008",
)


def staged(
    target: Iterable[Object], live: Iterable[Object], current: Iterable[Object] | None = None, strategy: str = "auto"
) -> Snapshot:
    """A snapshot in which routes lead to the Service web, and so to what it selects."""
    made = list(live)
    base = world(target, made if current is None else current, made).snapshot(settings=Settings(strategy=strategy))
    return replace(base, staging=staging_of(base.change, base.live, {"web": (ROUTE,)}))


def pods(*containers: Object, extra: Iterable[Object] = (), strategy: str = "auto", **pod: Any) -> Snapshot:
    """The target's pods as given; the current ones are plain."""
    target = [deployment("web", *containers, pod=pod or None), service(), *extra]
    return staged(target, [deployment("web", container(image=NEW)), service()], strategy=strategy)


def command(*words: str, **fields: Any) -> Object:
    return container(command=list(words), **fields)


def env(name: str, value: str) -> Object:
    return container(env=[{"name": name, "value": value}])


@quiet(*CHECKS)
def an_ordinary_web_server() -> Snapshot:
    plain = container(
        command=["gunicorn", "--workers", "4", "app:app"],
        env=[{"name": "DATABASE_URL", "value": "postgres://db"}, {"name": "RABBITMQ_URL", "value": "amqp://mq"}],
        volumeMounts=[{"name": "tmp"}, {"name": "logs", "readOnly": True}, {"name": "assets"}],
    )
    volumes: list[Object] = [
        {"name": "tmp", "emptyDir": {}},
        {"name": "logs", "hostPath": {"path": "/var/log"}},
        {"name": "assets", "persistentVolumeClaim": {"claimName": "assets", "readOnly": True}},
    ]
    return pods(plain, volumes=volumes)


@quiet(*CHECKS)
def nothing_is_staged() -> Snapshot:
    return world([deployment("web", command("alembic", "upgrade", "head"))]).snapshot()


@quiet(*CHECKS)
def no_standby_is_wanted() -> Snapshot:
    return pods(command("sh", "-c", "celery worker & rails db:schema:load"), strategy="native", hostNetwork=True)


@fires("DB-BOOT-001", severity="error", object="Deployment/web", says="Container init", evidence="its command")
def an_init_container_migrates() -> Snapshot:
    init = command("alembic", "upgrade", "head", name="init")
    return pods(initContainers=[init])


@fires("DB-BOOT-001", says="seems to run Flyway", evidence="variable SPRING_FLYWAY_LOCATIONS (container app)")
def flyway_inside_spring() -> Snapshot:
    return pods(env("SPRING_FLYWAY_LOCATIONS", "classpath:db"))


@quiet("DB-BOOT-001")
def flyway_is_switched_off() -> Snapshot:
    off = [{"name": "SPRING_FLYWAY_ENABLED", "value": "false"}, {"name": "SPRING_FLYWAY_LOCATIONS", "value": "x"}]
    return pods(container(env=off))


@fires("DB-BOOT-001", says="seems to run a migration", evidence="variable RUN_MIGRATIONS (ConfigMap/conf)")
def switched_on_by_a_config_map() -> Snapshot:
    conf = obj("ConfigMap", "conf", data={"RUN_MIGRATIONS": "true"})
    return pods(container(envFrom=[{"configMapRef": {"name": "conf"}}]), extra=[conf])


@fires("DB-BOOT-001", says="golang-migrate", evidence="image migrate/migrate:v4")
def an_image_that_migrates() -> Snapshot:
    return pods(initContainers=[container("prepare", image="migrate/migrate:v4")])


@fires("DB-BOOT-001", says="SQL by hand")
def sql_by_hand() -> Snapshot:
    return pods(command("sh", "-c", "psql -c 'alter table orders drop column tax' && ./serve"))


@quiet("DB-BOOT-001")
def waiting_for_the_database() -> Snapshot:
    wait = command("sh", "-c", "until mysql -e 'select 1'; do sleep 1; done; ./serve --no-migrate", name="wait")
    return pods(initContainers=[wait])


@fires("DB-BOOT-001", severity="warning", says="The current pods run the very same container")
def the_same_migration_as_now() -> Snapshot:
    init = command("alembic", "upgrade", "head", name="init")
    target = [deployment("web", pod={"initContainers": [init]}), service()]
    live = [deployment("web", container(image=NEW), pod={"initContainers": [init]}), service()]
    return staged(target, live)


@fires(
    "DB-SYNC-001", severity="error", says="Hibernate", evidence="variable SPRING_JPA_HIBERNATE_DDL_AUTO (container app)"
)
def hibernate_updates() -> Snapshot:
    return pods(env("SPRING_JPA_HIBERNATE_DDL_AUTO", "update"))


@quiet("DB-SYNC-001")
def hibernate_validates() -> Snapshot:
    return pods(env("SPRING_JPA_HIBERNATE_DDL_AUTO", "validate"), env("TYPEORM_SYNCHRONIZE", "false"))


@fires("DB-SYNC-001", says="drops columns", evidence="variable TYPEORM_SYNCHRONIZE (ConfigMap/conf)")
def typeorm_synchronises_through_a_config_map() -> Snapshot:
    conf = obj("ConfigMap", "conf", data={"sync": "true"})
    source = {"configMapKeyRef": {"name": "conf", "key": "sync"}}
    return pods(container(env=[{"name": "TYPEORM_SYNCHRONIZE", "valueFrom": source}]), extra=[conf])


@fires("DB-SYNC-001", evidence="application.yml of ConfigMap/conf")
def a_mounted_file_says_create() -> Snapshot:
    conf = obj(
        "ConfigMap", "conf", data={"application.yml": "spring:\n  jpa:\n    hibernate:\n      ddl-auto: create\n"}
    )
    return pods(volumes=[{"name": "conf", "configMap": {"name": "conf"}}], extra=[conf])


@fires("DB-SYNC-001", says="Hibernate", evidence="variable JAVA_OPTS")
def an_option_in_a_variable() -> Snapshot:
    return pods(env("JAVA_OPTS", "-Xmx1g -Dspring.jpa.hibernate.ddl-auto=create-drop"))


@fires("DB-SYNC-001", says="Prisma")
def prisma_pushes() -> Snapshot:
    return pods(command("sh", "-c", "prisma db push --accept-data-loss && node ."))


@fires("STBY-005", severity="error", says="seems to be Celery", evidence="its command")
def a_celery_worker() -> Snapshot:
    return pods(command("celery", "-A", "shop", "worker"))


@fires("STBY-005", says="a Kafka consumer", evidence="variable SPRING_KAFKA_CONSUMER_GROUP_ID")
def a_kafka_group() -> Snapshot:
    return pods(env("SPRING_KAFKA_CONSUMER_GROUP_ID", "orders"))


@fires("STBY-005", says="a scheduler", evidence="Secret/keys")
def switched_on_by_a_secret() -> Snapshot:
    return pods(container(envFrom=[{"secretRef": {"name": "keys"}}]), extra=[secret(ENABLE_SCHEDULER="yes")])


@fires("STBY-005", says="cron", evidence="its command")
def cron_inside() -> Snapshot:
    return pods(command("sh", "-c", "crond && nginx"))


@fires("STBY-005", says="a worker", evidence="the name of container queue-worker")
def named_like_a_worker() -> Snapshot:
    return pods(container(), container("queue-worker"))


@quiet("STBY-005")
def a_scheduler_that_is_off() -> Snapshot:
    return pods(env("ENABLE_SCHEDULER", "false"))


@fires(
    "STBY-004", severity="error", says="writes to volume data (PersistentVolumeClaim/data)", evidence="written by: app"
)
def a_claim_that_both_would_write() -> Snapshot:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    return pods(container(volumeMounts=[{"name": "data", "mountPath": "/data"}]), volumes=volumes)


@fires("STBY-004", says="writes to volume run (hostPath /run/shop)")
def a_folder_of_the_node() -> Snapshot:
    volumes = [{"name": "run", "hostPath": {"path": "/run/shop"}}]
    return pods(container(volumeMounts=[{"name": "run", "mountPath": "/run/shop"}]), volumes=volumes)


@quiet("STBY-004")
def a_claim_that_is_mounted_for_reading() -> Snapshot:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    return pods(container(volumeMounts=[{"name": "data", "readOnly": True}]), volumes=volumes)


@fires("STBY-004", says="takes port 8443 of its node", evidence="hostPort: 8443")
def a_port_of_the_node() -> Snapshot:
    return pods(container(ports=[{"containerPort": 8080, "hostPort": 8443}]))


@fires("STBY-004", says="uses its node's network")
def the_network_of_the_node() -> Snapshot:
    return pods(hostNetwork=True)


def two(**spec: Any) -> tuple[Object, Object]:
    return deployment("web", **spec), deployment("web", container(image=NEW), **spec)


@fires("STBY-001", severity="error", says="Deployment/web would select the standby's pods too")
def a_selector_that_nothing_escapes() -> Snapshot:
    target, live = two(selector={"matchExpressions": [{"key": "app", "operator": "Exists"}]})
    return staged([target, service()], [live, service()])


@fires("STBY-001", object="Service/web", says="several workloads: Deployment/api, Deployment/web")
def a_service_of_two_workloads() -> Snapshot:
    target, live = two()
    api = deployment("api", selector={"matchLabels": {"app": "web"}})
    api["spec"]["template"]["metadata"]["labels"] = {"app": "web"}
    return staged([target, api, service()], [live, api, service()])


@fires("STBY-001", says="holds keys that no manifest has (added)")
def a_secret_that_cannot_be_copied() -> Snapshot:
    target, live = two()
    for each in (target, live):
        each["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "keys"}}]
    there = [live, service(), live_secret(token="new", added="x")]
    return staged([target, service(), secret(token="old")], there, [live, service(), secret(token="new")])


def policy(name: str, labels: Object, **spec: Any) -> Object:
    return obj("NetworkPolicy", name, "networking.k8s.io", spec={"podSelector": {"matchLabels": labels}, **spec})


@fires("STBY-002", severity="info", says="1 object is copied", evidence="copy: NetworkPolicy/web-standby")
def a_policy_is_copied() -> Snapshot:
    target, live = two()
    return staged([target, service()], [live, service(), policy("web", {"app": "web"})])


@fires("STBY-003", severity="error", object="NetworkPolicy/db", says="by a label that changes", evidence="app")
def a_policy_of_the_database() -> Snapshot:
    target, live = two()
    peers = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]
    return staged([target, service()], [live, service(), policy("db", {"app": "db"}, ingress=peers)])


@fires("STBY-003", object="Server/web", says="a copy would not work")
def a_linkerd_server() -> Snapshot:
    target, live = two()
    server = obj("Server", "web", "policy.linkerd.io", spec={"podSelector": {"matchLabels": {"app": "web"}}})
    return staged([target, service()], [live, service(), server])


@fires("STBY-003", severity="error", says="holds for Service/web by its name")
def a_policy_by_reference() -> Snapshot:
    target, live = two()
    tls = obj(
        "BackendTLSPolicy",
        "web",
        "gateway.networking.k8s.io",
        spec={"targetRefs": [{"kind": "Service", "name": "web"}]},
    )
    return staged([target, service()], [live, service(), tls])


@fires("STBY-003", severity="warning", object="DestinationRule/web")
def a_destination_rule() -> Snapshot:
    target, live = two()
    rule = obj("DestinationRule", "web", "networking.istio.io", spec={"host": "web.prod.svc.cluster.local"})
    return staged([target, service()], [live, service(), rule])


@quiet("STBY-003")
def policies_of_others() -> Snapshot:
    target, live = two()
    rule = obj("DestinationRule", "web", "networking.istio.io", spec={"host": "web.production"})
    peers: list[Object] = [{"from": [{"podSelector": {}}]}]
    return staged([target, service()], [live, service(), rule, policy("db", {"app": "db"}, ingress=peers)])


@fires("STBY-006", severity="error", object="Service/web-standby", says="is not ours")
def the_name_is_taken() -> Snapshot:
    target, live = two()
    return staged([target, service()], [live, service(), service("web-standby", selector={"app": "other"})])


@quiet("STBY-006")
def our_own_from_before() -> Snapshot:
    target, live = two()
    left = service("web-standby", selector={"helm-safe.dev/standby": "web-standby"})
    left["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "helm-safe"}
    return staged([target, service()], [live, service(), left])


def node(name: str = "one", cpu: str = "4", **spec: Any) -> Object:
    return obj("Node", name, spec=spec, status={"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}})


BIG = container(resources={"requests": {"cpu": "1500m", "memory": "1Gi"}})


def running(name: str, on: str = "one") -> Object:
    return obj(
        "Pod", name, labels={"app": "web"}, spec={"nodeName": on, "containers": [BIG]}, status={"phase": "Running"}
    )


def sized(*nodes: Object, **pod: Any) -> Snapshot:
    live = [deployment("web", container(image=NEW)), service(), running("web-1"), *nodes]
    return staged([deployment("web", BIG, pod=pod or None), service()], live)


@fires("STBY-007", severity="warning", says="At most 1 of the 2 standby pods", evidence="nodes that may take them: 1")
def one_small_node() -> Snapshot:
    return sized(node())


@fires("STBY-007", says="At most 1 of the 2")
def a_second_node_that_is_tainted_or_cordoned() -> Snapshot:
    tainted = node("two", taints=[{"key": "gpu", "effect": "NoSchedule"}])
    return sized(node(), tainted, node("three", unschedulable=True))


@fires("STBY-007", says="At most 0 of the 2")
def no_node_has_the_label() -> Snapshot:
    return sized(node(cpu="64"), nodeSelector={"disk": "fast"})


@quiet("STBY-007")
def a_second_node() -> Snapshot:
    return sized(node(), node("two", taints=[{"key": "gpu", "effect": "NoSchedule"}]), tolerations=[{"key": "gpu"}])


@fires(
    "STBY-008", severity="error", object="Service/web", says="ends at 9090 of the pods now and at 8080 in revision 1"
)
def the_port_inside_the_pods_moves() -> Snapshot:
    target, live = two()
    return staged([target, service()], [live, service(target=9090)])


@quiet("STBY-008")
def the_targets_pods_have_both_ports() -> Snapshot:
    target = deployment("web", container(ports=[{"containerPort": 8080}, {"containerPort": 9090}]))
    live = deployment("web", container(image=NEW))
    return staged([target, service()], [live, service(target=9090)])


def quota(**hard: str) -> Object:
    limits = {name.replace("_", "."): value for name, value in hard.items()}
    used = {name: "2" if name == "pods" else "1" for name in limits}
    return obj("ResourceQuota", "small", spec={}, status={"hard": limits, "used": used})


@fires("CAP-001", severity="error", says="2 of it for the standby; 1 is missing")
def no_room_for_the_standby() -> Snapshot:
    target, live = two()
    return staged([target, service()], [live, service(), quota(pods="4")])


@quiet("CAP-001")
def room_for_the_standby() -> Snapshot:
    target, live = two()
    return staged([target, service()], [live, service(), quota(pods="5", services="2")])


@fires("CAP-001", severity="error", says="services 1 of 1 is used")
def no_room_for_another_service() -> Snapshot:
    target, live = two()
    return staged([target, service()], [live, service(), quota(pods="9", services="1")])
