"""Worlds of definitions, webhooks, files under running pods, random Secrets, flags, tags, caches and queues."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.model.snapshot import Snapshot
from tests.checks.world import (
    container,
    deployment,
    fires,
    obj,
    pod,
    quiet,
    revision,
    secret,
    service,
    world,
)


def definition(*versions: str, stored: tuple[str, ...] = (), hook: str = "") -> Object:
    spec: Object = {"versions": [{"name": each} for each in versions]}
    if hook:
        asked = {"clientConfig": {"service": {"namespace": "prod", "name": hook}}}
        spec["conversion"] = {"strategy": "Webhook", "webhook": asked}
    return obj(
        "CustomResourceDefinition",
        "widgets.example.org",
        "apiextensions.k8s.io",
        spec=spec,
        status={"storedVersions": list(stored)},
    )


@fires("CRD-001", severity="error", says="lacks version v2", evidence="stored: v2")
def objects_are_stored_in_the_newer_version() -> Snapshot:
    return world([definition("v1")], [definition("v1", "v2")], [definition("v1", "v2", stored=("v1", "v2"))]).snapshot()


@fires("CRD-001", severity="error", says="are converted by Service/web")
def the_converting_service_goes() -> Snapshot:
    kept = definition("v1", "v2", stored=("v1",), hook="web")
    return world([kept], [kept, service()], [kept, service()]).snapshot()


@fires("CRD-001", status="unverified")
def definitions_may_not_be_listed() -> Snapshot:
    denied = {("apiextensions.k8s.io", "CustomResourceDefinition"): "403"}
    return world([definition("v1")]).snapshot(denied=denied)


@quiet("CRD-001")
def nothing_is_stored_in_the_newer_version() -> Snapshot:
    return world([definition("v1")], [definition("v1", "v2")], [definition("v1", "v2", stored=("v1",))]).snapshot()


@quiet("CRD-001")
def the_target_converts_nothing() -> Snapshot:
    live = definition("v1", stored=("v1",), hook="web")
    return world([definition("v1")], [live, service()], [live, service()]).snapshot()


def webhook(policy: str | None = None, name: str = "web") -> Object:
    asked: Object = {"name": "check.example.org", "clientConfig": {"service": {"namespace": "prod", "name": name}}}
    if policy:
        asked["failurePolicy"] = policy
    made = obj("ValidatingWebhookConfiguration", "checks", "admissionregistration.k8s.io", webhooks=[asked])
    del made["metadata"]["namespace"]
    return made


@fires(
    "WH-001",
    severity="error",
    object="ValidatingWebhookConfiguration/checks",
    says="every request that it covers fails",
)
def a_webhook_loses_its_service() -> Snapshot:
    return world([], [service()], [service(), webhook()]).snapshot()


@fires("WH-001", severity="warning", says="failurePolicy: Ignore")
def a_webhook_that_may_fail() -> Snapshot:
    return world([], [service()], [service(), webhook("Ignore")]).snapshot()


@fires("WH-001", severity="error", object="APIService/v1.metrics.example.org", says="its API group stops answering")
def an_api_loses_its_service() -> Snapshot:
    spec = {"service": {"namespace": "prod", "name": "web"}}
    api = obj("APIService", "v1.metrics.example.org", "apiregistration.k8s.io", spec=spec)
    del api["metadata"]["namespace"]
    return world([], [service()], [service(), api]).snapshot()


@quiet("WH-001")
def the_webhook_goes_with_its_service() -> Snapshot:
    return world([], [service(), webhook()]).snapshot()


@quiet("WH-001")
def the_service_of_the_webhook_stays() -> Snapshot:
    return world([service()], live=[service(), webhook()]).snapshot()


def mounting(image: str, **mount: Any) -> Object:
    mounted = container(image=image, volumeMounts=[{"name": "conf", "mountPath": "/conf", **mount}])
    return deployment("web", mounted, pod={"volumes": [{"name": "conf", "configMap": {"name": "settings"}}]})


def settings(**data: str) -> Object:
    return obj("ConfigMap", "settings", data=data)


@fires(
    "CFG-001",
    severity="warning",
    object="Deployment/web",
    evidence="changes under them: ConfigMap/settings (volume conf)",
)
def files_change_under_newer_code() -> Snapshot:
    return world([mounting("a:1"), settings(a="1")], [mounting("a:2"), settings(a="2")]).snapshot()


@quiet("CFG-001")
def a_sub_path_never_changes() -> Snapshot:
    old, new = mounting("a:1", subPath="a"), mounting("a:2", subPath="a")
    return world([old, settings(a="1")], [new, settings(a="2")]).snapshot()


@quiet("CFG-001")
def the_files_stay() -> Snapshot:
    return world([mounting("a:1"), settings(a="1")], [mounting("a:2"), settings(a="1")]).snapshot()


def made_up(*, values: tuple[str, str] = ("v", "v"), stateful: bool = True) -> Snapshot:
    claim = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]} if stateful else {}
    user = deployment("db", container(envFrom=[{"secretRef": {"name": "keys"}}]), pod=claim)
    facts = {"chart": "shop", "chart_version": "1"}
    one = revision(1, secret(password="a"), user, values_hash=values[0], **facts)
    two = revision(2, secret(password="b"), user, values_hash=values[1], **facts)
    return world()._replace(target=one, current=two).snapshot()


@fires(
    "CFG-005",
    severity="warning",
    object="Secret/keys",
    says="Deployment/db keeps data",
    evidence="same chart and values",
)
def the_password_is_made_up_each_time() -> Snapshot:
    return made_up()


@fires("CFG-005", severity="info", says="becomes invalid")
def nobody_keeps_data_under_it() -> Snapshot:
    return made_up(stateful=False)


@quiet("CFG-005")
def somebody_set_another_password() -> Snapshot:
    return made_up(values=("v", "w"))


def flagged(*names: str, image: str = "a:1", **values: str) -> Object:
    env = [{"name": each, "value": "x"} for each in names] + [{"name": k, "value": v} for k, v in values.items()]
    return deployment("web", container(image=image, env=env))


def recoded(*names: str, **values: str) -> Snapshot:
    return world([flagged(*names, **values)], [flagged(*names, image="a:2", **values)]).snapshot()


@fires(
    "CFG-006", severity="info", says="Flags of LaunchDarkly", evidence="Deployment/web: variable LAUNCHDARKLY_SDK_KEY"
)
def flags_live_elsewhere() -> Snapshot:
    return recoded("LAUNCHDARKLY_SDK_KEY", "PORT")


@quiet("CFG-006")
def the_code_that_asks_for_flags_stays() -> Snapshot:
    return world([flagged("LAUNCHDARKLY_SDK_KEY")]).snapshot()


@quiet("CFG-006", "CACHE-001", "TEMPORAL-001")
def nothing_outside_is_asked() -> Snapshot:
    return recoded("PORT", "SPLIT_BRAIN")


def replica_set(name: str, image: str) -> Object:
    made = deployment(name, container(image=image), kind="ReplicaSet")
    made["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web"}]
    return made


def sets(*images: str) -> Snapshot:
    live = [replica_set(f"web-{number}", image) for number, image in enumerate(images)]
    return world([flagged(image="a:1")], [flagged(image="a:2")], live).snapshot()


@fires("RS-001", severity="info", object="Deployment/web", evidence="there is: web-0")
def the_old_replica_set_is_gone() -> Snapshot:
    return sets("a:2")


@quiet("RS-001")
def the_old_replica_set_is_there() -> Snapshot:
    return sets("a:2", "a:1")


@quiet("RS-001")
def replica_sets_were_not_read() -> Snapshot:
    return replace(sets("a:2"), listed=frozenset())


def started(image: str, digest: str, number: int = 1) -> Object:
    running = {"name": "app", "image": image, "imageID": f"registry.example/shop@sha256:{digest * 8}"}
    return pod("web", number, image, containerStatuses=[running])


IMAGE = "registry.example/shop:1"


@fires("IMG-002", severity="warning", says="has been moved", evidence="seen: sha256:aaaaaaaa")
def two_images_under_one_tag() -> Snapshot:
    return world([deployment()], live=[started(IMAGE, "a"), started(IMAGE, "b", 2)]).snapshot()


@fires("IMG-002", severity="warning", says="has been moved")
def a_node_holds_another_image() -> Snapshot:
    names = ["registry.example/shop@sha256:" + "c" * 64, IMAGE]
    node = obj("Node", "n", status={"images": [{"names": names}]})
    return world([deployment()], live=[started(IMAGE, "a"), node]).snapshot()


@fires("IMG-002", severity="warning", says="Both revisions run registry.example/shop:latest")
def both_revisions_run_latest() -> Snapshot:
    return world([deployment("web", container(image="registry.example/shop:latest"))]).snapshot()


@fires("IMG-002", severity="info", says="Both revisions run busybox:latest")
def other_images_of_the_release_go_back() -> Snapshot:
    helper = container("helper", "busybox:latest")
    old, new = deployment("web", container(image="a:1"), helper), deployment("web", container(image="a:2"), helper)
    return world([old], [new]).snapshot()


@quiet("IMG-002")
def one_tag_one_image() -> Snapshot:
    return world([deployment()], live=[started(IMAGE, "a"), started(IMAGE, "a", 2)]).snapshot()


@quiet("IMG-002")
def a_digest_never_moves() -> Snapshot:
    pinned = "registry.example/shop@sha256:" + "a" * 64
    return world([deployment("web", container(image=pinned))]).snapshot()


@fires("CACHE-001", severity="warning", says="the key prefix CACHE_PREFIX is the same", evidence="variable REDIS_URL")
def one_prefix_for_two_versions() -> Snapshot:
    return recoded("REDIS_URL", "CACHE_PREFIX")


@fires("CACHE-001", severity="info", says="no variable gives the formats keys of their own")
def a_cache_without_a_visible_prefix() -> Snapshot:
    return recoded("REDIS_URL")


@fires("CACHE-001", severity="info")
def the_team_says_that_the_format_is_the_same() -> Snapshot:
    return recoded("REDIS_URL", "CACHE_PREFIX", "CACHE_VERSION")


@quiet("CACHE-001")
def each_version_has_a_prefix_of_its_own() -> Snapshot:
    old, new = flagged("REDIS_URL", CACHE_PREFIX="v1"), flagged("REDIS_URL", image="a:2", CACHE_PREFIX="v2")
    return world([old], [new]).snapshot()


@quiet("CACHE-001")
def the_code_that_caches_stays() -> Snapshot:
    return world([flagged("REDIS_URL", "CACHE_PREFIX")]).snapshot()


@fires("KAFKA-003", severity="error", object="Deployment/web", says="consumer group orders", evidence="now: orders-v2")
def the_group_of_the_environment_differs() -> Snapshot:
    old, new = flagged(KAFKA_CONSUMER_GROUP_ID="orders"), flagged(KAFKA_CONSUMER_GROUP_ID="orders-v2")
    return world([old], [new]).snapshot()


@fires("KAFKA-003", severity="error", evidence="spring.kafka.consumer.group-id in the target: orders")
def the_group_of_a_file_differs() -> Snapshot:
    def file(group: str) -> Object:
        return settings(**{"application.properties": f"spring.kafka.consumer.group-id={group}\n"})

    return world([mounting("a:1"), file("orders")], [mounting("a:1"), file("orders-v2")]).snapshot()


@fires("KAFKA-003", severity="error", evidence="KAFKA_GROUP_ID now: orders-v2")
def the_group_of_a_config_map_differs() -> Snapshot:
    web = deployment("web", container(envFrom=[{"configMapRef": {"name": "settings"}}]))
    return world([web, settings(KAFKA_GROUP_ID="orders")], [web, settings(KAFKA_GROUP_ID="orders-v2")]).snapshot()


@quiet("KAFKA-003", "KAFKA-004")
def the_group_stays() -> Snapshot:
    return recoded("KAFKA_GROUP_ID", "KAFKA_PARTITION_ASSIGNMENT_STRATEGY")


@quiet("KAFKA-003")
def another_group_of_things() -> Snapshot:
    return world([flagged(LOG_GROUP_ID="a")], [flagged(LOG_GROUP_ID="b")]).snapshot()


@fires("KAFKA-004", severity="warning", evidence="KAFKA_GROUP_PROTOCOL in the target: classic")
def another_protocol_of_the_group() -> Snapshot:
    old, new = flagged(KAFKA_GROUP_PROTOCOL="classic"), flagged(KAFKA_GROUP_PROTOCOL="consumer")
    return world([old], [new]).snapshot()


def strimzi(kind: str = "KafkaTopic", **body: Any) -> Object:
    return obj(kind, "orders", "kafka.strimzi.io", **body)


@fires("KAFKA-006", severity="error", object="KafkaTopic/orders", says="the topic and every message in it")
def a_topic_is_deleted() -> Snapshot:
    return world([], [strimzi()]).snapshot()


@fires("KAFKA-006", severity="error", object="KafkaUser/orders", says="the user's credentials")
def a_user_is_deleted() -> Snapshot:
    return world([], [strimzi("KafkaUser")]).snapshot()


@fires("KAFKA-006", severity="warning", says="from 12 to 6 partitions")
def a_topic_would_need_fewer_partitions() -> Snapshot:
    return world([strimzi(spec={"partitions": 6})], [strimzi(spec={"partitions": 12})]).snapshot()


@fires("KAFKA-006", severity="error", says="metadataVersion 3.8-IV0 to 3.7-IV4")
def the_brokers_go_back() -> Snapshot:
    def cluster(version: str, metadata: str) -> Object:
        return strimzi("Kafka", spec={"kafka": {"version": version, "metadataVersion": metadata}})

    return world([cluster("3.7.1", "3.7-IV4")], [cluster("3.8.0", "3.8-IV0")]).snapshot()


@quiet("KAFKA-006")
def the_operator_does_not_manage_it() -> Snapshot:
    return world([], [strimzi(annotations={"strimzi.io/managed": "false"})]).snapshot()


@quiet("KAFKA-006")
def the_topic_is_kept() -> Snapshot:
    return world([], [strimzi(annotations={"helm.sh/resource-policy": "keep"})]).snapshot()


@quiet("KAFKA-006")
def more_partitions_are_no_harm() -> Snapshot:
    return world([strimzi(spec={"partitions": 12})], [strimzi(spec={"partitions": 6})]).snapshot()


@fires("QUEUE-001", severity="error", object="Queue/jobs", says="the queue and its messages")
def a_queue_is_deleted() -> Snapshot:
    return world([], [obj("Queue", "jobs", "rabbitmq.com")]).snapshot()


@quiet("QUEUE-001")
def its_operator_retains_it() -> Snapshot:
    return world([], [obj("Queue", "jobs", "rabbitmq.com", spec={"deletionPolicy": "retain"})]).snapshot()


@fires("TEMPORAL-001", severity="warning", object="Deployment/web", evidence="variable TEMPORAL_TASK_QUEUE")
def older_workers_on_the_same_queue() -> Snapshot:
    return recoded("TEMPORAL_TASK_QUEUE")


@quiet("TEMPORAL-001")
def workers_with_a_build_id() -> Snapshot:
    return recoded("TEMPORAL_TASK_QUEUE", "TEMPORAL_WORKER_BUILD_ID")
