"""KAFKA-006 and QUEUE-001: topics, users and queues that are objects of the chart."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.checks.engines import parse_version
from helm_safe.checks.facts import keep_hint, removed_objects
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig
from helm_safe.model.snapshot import Snapshot

_STRIMZI = "kafka.strimzi.io"
# (group, kind) -> what goes with the object, and the marks by which its operator lets that live on.
_QUEUES: dict[tuple[str, str], str] = {
    ("rabbitmq.com", "Queue"): "the queue and its messages",
    ("rabbitmq.com", "Vhost"): "the virtual host and all its queues",
    ("rabbitmq.com", "Exchange"): "the exchange and its bindings",
    ("rabbitmq.com", "User"): "the user's credentials",
    ("sqs.services.k8s.aws", "Queue"): "the queue and its messages",
    ("pubsub.cnrm.cloud.google.com", "PubSubSubscription"): "the subscription and what it has not delivered",
    ("pubsub.cnrm.cloud.google.com", "PubSubTopic"): "the topic",
    ("jetstream.nats.io", "Stream"): "the stream and its messages",
    ("jetstream.nats.io", "Consumer"): "the consumer and its place in the stream",
}
_SPARED = {
    "services.k8s.aws/deletion-policy": "retain",
    "cnrm.cloud.google.com/deletion-policy": "abandon",
}


def _kafka(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, obj in removed_objects(snapshot).items():
        live = snapshot.live_for(ref) or obj
        if ref.group == _STRIMZI and ref.kind in ("KafkaTopic", "KafkaUser") and _managed(live):
            what = "the topic and every message in it" if ref.kind == "KafkaTopic" else "the user's credentials"
            yield _deleted(KAFKA, ref, what)
    for ref, obj in snapshot.change.target.objects.items():
        if ref.group == _STRIMZI:
            now = snapshot.live_for(ref) or snapshot.change.current.objects.get(ref) or {}
            yield from _fewer_partitions(ref, obj, now) if ref.kind == "KafkaTopic" else ()
            yield from _older(ref, obj, now) if ref.kind == "Kafka" else ()


def _managed(obj: Object) -> bool:
    return str(annotations_of(obj).get("strimzi.io/managed") or "").lower() != "false"


def _fewer_partitions(ref: ObjectRef, obj: Object, now: Object) -> Iterator[Finding]:
    was, becomes = dig(now, "spec", "partitions"), dig(obj, "spec", "partitions")
    if isinstance(was, int) and isinstance(becomes, int) and becomes < was:
        yield Finding(
            KAFKA.id,
            WARNING,
            f"{ref} goes back from {was} to {becomes} partitions, which no topic can: its operator refuses and"
            " leaves the topic alone from then on.",
            object=str(ref),
            field="spec.partitions",
            evidence=(f"now: {was}", f"target: {becomes}"),
            remediation=f"Set the partitions back to {was} after the rollback; the data stays.",
        )


def _older(ref: ObjectRef, obj: Object, now: Object) -> Iterator[Finding]:
    """Brokers read no metadata of a version that is finalised above their own."""
    for field in ("metadataVersion", "version"):
        was, becomes = (dig(each, "spec", "kafka", field) for each in (now, obj))
        before, after = parse_version(str(was or "")), parse_version(str(becomes or ""))
        if before and after and after[:2] < before[:2]:
            yield Finding(
                KAFKA.id,
                ERROR,
                f"{ref} goes back from Kafka {field} {was} to {becomes}: brokers refuse metadata of a newer version,"
                " and the operator allows a downgrade only below it.",
                object=str(ref),
                field=f"spec.kafka.{field}",
                evidence=(f"now: {was}", f"target: {becomes}"),
                remediation="Lower metadataVersion first and see that it is taken over, before the brokers go back.",
            )
            return


def _queues(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, obj in removed_objects(snapshot).items():
        what = _QUEUES.get((ref.group, ref.kind), "")
        live = snapshot.live_for(ref) or obj
        marks = annotations_of(live)
        spared = any(marks.get(name) == value for name, value in _SPARED.items())
        retained = dig(live, "spec", "deletionPolicy") == "retain" or dig(live, "spec", "preventDelete") is True
        if what and not spared and not retained:
            yield _deleted(QUEUE, ref, what)


def _deleted(check: Check, ref: ObjectRef, what: str) -> Finding:
    return Finding(
        check.id,
        ERROR,
        f"The rollback deletes {ref}, and its operator deletes {what} with it.",
        object=str(ref),
        evidence=("absent from the target", "no keep policy on it"),
        remediation=f"To keep it: {keep_hint(ref)}",
    )


KAFKA = Check(
    "KAFKA-006",
    "Topic would be deleted",
    ERROR,
    "A Strimzi KafkaTopic or KafkaUser that the target does not have is deleted, and with it the topic's messages or"
    " the credentials; a Kafka cluster would go back to an older version. A warning where a topic would need fewer"
    " partitions.",
    "Annotate the live object with helm.sh/resource-policy=keep.",
    _kafka,
)
QUEUE = Check(
    "QUEUE-001",
    "Queue would be deleted",
    ERROR,
    "A queue, stream or subscription that is an object of the chart (RabbitMQ, JetStream, SQS, Pub/Sub) is absent"
    " from the target: its operator deletes it with what it holds.",
    "Annotate the live object with helm.sh/resource-policy=keep.",
    _queues,
)
