"""KAFKA-001, KAFKA-002 and KAFKA-005: schemas, topics and groups that moved on since the target ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.model.kafka_changes import QueueChange, What, changes
from helm_safe.model.snapshot import Snapshot

_REMEDIES = {
    What.SUBJECT: "Let old readers skip or translate such messages, or roll forward.",
    What.TOPIC: "See who else reads the topic before the old code does.",
    What.GROUP: "Stop the consumers, look at the messages, and move the offsets by hand where they must not be read.",
}


def _of(id_: str, what: What) -> Callable[[Snapshot], Iterator[Finding]]:
    def run(snapshot: Snapshot) -> Iterator[Finding]:
        then, now = snapshot.state.then, snapshot.state.now
        if then and now and then.kafka and now.kafka:
            for each in changes(then.kafka, now.kafka):
                if each.what is what and each.breaks is not False:
                    yield _finding(id_, each)

    return run


def _finding(id_: str, each: QueueChange) -> Finding:
    return Finding(
        id_,
        ERROR if each.breaks else WARNING,
        f"{each.what.value.capitalize()} {each.name} {each.words}.",
        object=each.name,
        evidence=("L4: Kafka then and now",),
        remediation=_REMEDIES[each.what],
    )


SUBJECT = Check(
    "KAFKA-001",
    "Messages of a newer schema",
    ERROR,
    "A subject of the Schema Registry has a newer version than when the target ran, under a compatibility that does not"
    " protect old readers: BACKWARD protects an upgrade, a rollback needs FORWARD or FULL.",
    "Let old readers skip such messages, or roll forward.",
    _of("KAFKA-001", What.SUBJECT),
)
TOPIC = Check(
    "KAFKA-002",
    "Topic has changed",
    ERROR,
    "A topic that was there when the target ran is gone, or has another number of partitions.",
    "Make the topic again, or make sure that the old code does not need it.",
    _of("KAFKA-002", What.TOPIC),
)
GROUP = Check(
    "KAFKA-005",
    "Offsets stay in the present",
    WARNING,
    "A consumer group goes on at the offsets of now: old code reads what the newer revision's producers wrote, and does"
    " not read again what was read. Another assignor lets members of both revisions refuse each other.",
    "Stop the consumers first, and move the offsets by hand where they must not be read.",
    _of("KAFKA-005", What.GROUP),
)
