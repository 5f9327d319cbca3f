"""STBY-005: the pods seem to consume a queue or to run a schedule, which a standby would do twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from helm_safe.checks.base import CONFIG_MAP, ERROR, Check
from helm_safe.checks.doubles import command_of, doubled, doubled_workloads, environment, image_of
from helm_safe.checks.facts import Workload
from helm_safe.core.findings import Finding
from helm_safe.core.objects import Object
from helm_safe.core.workloads import container_name, containers, init_containers, sidecar
from helm_safe.model.snapshot import Snapshot


class Consumer(NamedTuple):
    """One row: a tool, and the patterns of its command, of its image or container's name, and of its variables."""

    tool: str
    command: str = ""
    name: str = ""
    variable: str = ""


CONSUMERS: tuple[Consumer, ...] = (
    Consumer("Airflow", r"\bairflow\s+(?:scheduler|triggerer|celery\s+worker|worker)\b"),
    Consumer("Celery", r"\bcelery\b[^\n]{0,400}\b(?:worker|beat)\b"),
    Consumer("Sidekiq", r"\bsidekiq\b", r"sidekiq"),
    Consumer("a Rails job worker", r"\b(?:resque:work|jobs:work|good_job\s+start|solid_queue:start|bin/jobs)\b"),
    Consumer("RQ", r"\brq\s+worker\b|\brqworker\b"),
    Consumer(
        "a Python task queue",
        r"\b(?:dramatiq|huey_consumer|taskiq\s+worker|qcluster|apscheduler)\b|\barq\s+\S+\.\w*Worker",
    ),
    Consumer("Faust", r"\bfaust\b[^\n]{0,400}\bworker\b"),
    Consumer("Laravel", r"\bartisan\s+(?:queue:(?:work|listen)|horizon|schedule:(?:run|work))\b"),
    Consumer("Symfony Messenger", r"\bmessenger:consume\b"),
    Consumer("Kafka Connect", r"\bconnect-distributed\b", r"(?:cp-kafka-connect|debezium/connect)"),
    Consumer(
        "a Kafka consumer",
        r"\bkafka-console-consumer\b|\bspring\.kafka\.consumer\.group-id=",
        variable=r"(?:\w+_)?KAFKA_(?:CONSUMER_)?GROUP(?:_?ID)?|(?:SPRING_)?KAFKA_CONSUMER_GROUP\w*|CONSUMER_GROUP(?:_?ID)?"
        r"|(?:SPRING_)?KAFKA_STREAMS_APPLICATION_?ID|QUARKUS_KAFKA_STREAMS_\w+|MP_MESSAGING_INCOMING_\w+"
        r"|SPRING_CLOUD_STREAM_BINDINGS_\w+_GROUP",
    ),
    Consumer(
        "a RabbitMQ consumer",
        variable=r"SPRING_RABBITMQ_LISTENER_\w+|(?:RABBITMQ|RABBIT|AMQP)_(?:CONSUMER\w*|CONSUME_\w+|QUEUE|QUEUES|QUEUE_NAME|PREFETCH\w*)",
    ),
    Consumer(
        "a consumer of a cloud queue",
        variable=r"SQS_(?:CONSUMER|LISTENER)\w*|PUBSUB_SUBSCRIPTION\w*|(?:AZURE_)?SERVICE_?BUS_SUBSCRIPTION\w*",
    ),
    Consumer("a NATS consumer", variable=r"(?:NATS|JETSTREAM)_(?:DURABLE\w*|QUEUE_GROUP|CONSUMER\w*)"),
    Consumer(
        "a workflow worker",
        r"\btemporal\s+worker\b",
        variable=r"(?:TEMPORAL|CADENCE)_TASK_?(?:QUEUE|LIST)\w*|ZEEBE_(?:CLIENT_)?WORKER_\w+",
    ),
    Consumer("Quartz", r"\borg\.quartz\.", variable=r"(?:SPRING_|QUARKUS_|ORG_)?QUARTZ_\w+"),
    Consumer("Hangfire", variable=r"HANGFIRE_\w+"),
    Consumer("Camunda's job executor", variable=r"CAMUNDA_BPM_JOB_EXECUTION_ENABLED"),
    Consumer("cron", r"(?:^|[\s/;&])(?:crond|supercronic|yacron|ofelia|cron\s+-f)\b", r"(?:supercronic|yacron|ofelia)"),
    Consumer("clockwork", r"\bclockwork\s+\S+\.rb\b"),
    Consumer(
        "a scheduler",
        variable=r"(?:\w+_)?(?:SCHEDULER|SCHEDULING|SCHEDULE|CRON|CRONJOBS?|JOBS|WORKERS?)_ENABLED"
        r"|(?:ENABLE|RUN|START)_(?:SCHEDULERS?|CRON|CRONJOBS?|WORKERS?|CONSUMERS?)",
    ),
    Consumer("a worker", name=r"(?:^|[-_/])(?:workers?|consumers?|schedulers?|cron|celery|beat|listener)(?:[-_:@]|$)"),
)


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for workload in doubled_workloads(snapshot):
        stays = [
            *containers(workload.template),
            *(each for each in init_containers(workload.template) if sidecar(each)),
        ]
        for container in stays:
            sign = _sign(snapshot, workload, container)
            if sign:
                yield _finding(workload, container, *sign)


def _sign(snapshot: Snapshot, workload: Workload, container: Object) -> tuple[str, str] | None:
    """The tool and what gives it away."""
    command, image, name = command_of(container), image_of(container), container_name(container)
    settings = [each for each in environment(snapshot, workload, container) if not each.off]
    for row in CONSUMERS:
        if row.command and re.search(row.command, command, re.IGNORECASE):
            return row.tool, "its command"
        if row.name and re.search(row.name, name):
            return row.tool, f"the name of container {name}"
        if row.name and re.search(row.name, image.rpartition("/")[2]):
            return row.tool, f"image {image}"
        found = next((each for each in settings if row.variable and re.fullmatch(row.variable, each.name)), None)
        if found:
            return row.tool, f"variable {found.name} ({found.source})"
    return None


def _finding(workload: Workload, container: Object, tool: str, why: str) -> Finding:
    return Finding(
        CHECK.id,
        CHECK.severity,
        f"Container {container_name(container)} of {workload.ref} seems to be {tool}: a standby would do that work"
        " beside the current pods, at full share from its first second, whatever the route's weights say.",
        object=str(workload.ref),
        evidence=(f"sign: {why}",),
        remediation="If old and new code may share this work, accept it; else use --strategy native, or move the work"
        " to a workload of its own.",
    )


CHECK = Check(
    "STBY-005",
    "Work would be done twice",
    ERROR,
    "Pods that consume a queue or run a schedule take work as soon as they start: no weight of a route holds them back."
    " The signs are commands, images and variables of well-known tools.",
    "Accept it where both versions may share the work, or use --strategy native.",
    _run,
    needs=(CONFIG_MAP,),
    when=doubled,
)
