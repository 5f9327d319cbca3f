"""KAFKA-003 and KAFKA-004: consumers go back to another group, or to another way of sharing partitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from helm_safe.checks.base import CONFIG_MAP, ERROR, WARNING, Check
from helm_safe.checks.facts import Workload
from helm_safe.checks.settings import both, kept, written
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot

_GROUP = re.compile(
    r"(?:\w+_)?KAFKA_(?:\w+_)?GROUP_?ID|(?:\w+_)?KAFKA_CONSUMER_GROUP(?:_NAME)?|(?:\w+_)?KAFKA_GROUP|CONSUMER_GROUP(?:_?ID)?"
    r"|(?:SPRING_)?KAFKA_STREAMS_APPLICATION_?ID"
    r"|(?:spring\.)?(?:kafka\.)?(?:consumer\.)?group[.-]id|(?:spring\.)?kafka\.streams\.application-id"
)
_SHARING = re.compile(
    r"(?:\w+_)?PARTITION_ASSIGNMENT_STRATEGY|(?:\w+_)?KAFKA_(?:\w+_)?GROUP_PROTOCOL"
    r"|(?:[\w.-]+\.)?partition\.assignment\.strategy|(?:[\w.-]+\.)?group\.protocol"
)

_WORDS = ("group.id", "group-id", "application-id", "assignment.strategy", "group.protocol")


def _of(
    pattern: re.Pattern[str], tell: Callable[[Workload, str, str, str], Finding]
) -> Callable[..., Iterator[Finding]]:
    def run(snapshot: Snapshot) -> Iterator[Finding]:
        for workload in kept(snapshot):
            for name, was, becomes in _changes(snapshot, workload, pattern):
                yield tell(workload, name, was, becomes)

    return run


def _changes(snapshot: Snapshot, workload: Workload, pattern: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    """(setting, its value now, its value after the rollback), where both are known and differ."""
    for before, after in (both(snapshot, workload), written(snapshot, workload, _WORDS)):
        for name, becomes in after.items():
            was = before.get(name)
            if pattern.fullmatch(name) and was and becomes and was != becomes:
                yield name, was, becomes


def _group(workload: Workload, name: str, was: str, becomes: str) -> Finding:
    return Finding(
        GROUP.id,
        GROUP.severity,
        f"{workload.ref} goes back to the consumer group {becomes}, and its offsets of then: what {was} has read"
        " since is read again, or, where those offsets have expired, lost or replayed whole.",
        object=str(workload.ref),
        evidence=(f"{name} now: {was}", f"{name} in the target: {becomes}"),
        remediation=f"Stop the consumers, copy the offsets of {was} to {becomes} (kafka-consumer-groups.sh"
        " --reset-offsets), then roll back and accept.",
    )


def _sharing(workload: Workload, name: str, was: str, becomes: str) -> Finding:
    return Finding(
        SHARING.id,
        SHARING.severity,
        f"Consumers of {workload.ref} go back to another way of sharing partitions: members of both kinds in one group"
        " refuse each other (InconsistentGroupProtocol) while the pods are replaced.",
        object=str(workload.ref),
        evidence=(f"{name} now: {was}", f"{name} in the target: {becomes}"),
        remediation=f"Scale {workload.ref} to 0 before the rollback, so that the group is empty when the old code"
        " joins.",
    )


GROUP = Check(
    "KAFKA-003",
    "Another consumer group",
    ERROR,
    "The consumer group (or the application id of Kafka Streams) differs between the revisions. Offsets do not travel"
    " back: the old group goes on where it stopped, or at auto.offset.reset.",
    "Copy the offsets to the old group while no consumer runs.",
    _of(_GROUP, _group),
    needs=(CONFIG_MAP,),
)
SHARING = Check(
    "KAFKA-004",
    "Another assignment of partitions",
    WARNING,
    "The assignment strategy or the group protocol of Kafka consumers differs between the revisions: old and new"
    " members cannot be in one group at once.",
    "Scale the consumers to 0 before the rollback.",
    _of(_SHARING, _sharing),
    needs=(CONFIG_MAP,),
)
