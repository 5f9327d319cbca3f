"""What became of topics, groups and schemas since a revision ran. Pure (reference: section 2.7)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from helm_safe.model.photograph import KafkaState, Subject


class What(str, Enum):
    TOPIC = "topic"
    GROUP = "group"
    SUBJECT = "subject"


SAFE_FOR_OLD_READERS = ("FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE")
"""Modes under which old readers can read what new writers write; BACKWARD protects an upgrade only."""


class QueueChange(NamedTuple):
    """breaks: whether readers of the old revision fail; None where nobody can tell."""

    what: What
    name: str
    words: str
    breaks: bool | None


def changes(then: KafkaState, now: KafkaState) -> Iterator[QueueChange]:
    for name, before in then.subjects.items():
        after = now.subjects.get(name)
        if after and after.version > before.version:
            yield _subject(name, before, after, _produced(then, now, name))
    for name, topic in then.topics.items():
        current = now.topics.get(name)
        if current is None and not now.left_out:
            yield QueueChange(What.TOPIC, name, "is gone", breaks=True)
        elif current and current.partitions != topic.partitions:
            words = f"has {current.partitions} partitions, it had {topic.partitions}: keys are elsewhere, order is lost"
            yield QueueChange(What.TOPIC, name, words, breaks=None)
    for name, group in then.groups.items():
        there = now.groups.get(name)
        if there and group.protocol and there.protocol and there.protocol != group.protocol:
            words = (
                f"assigns partitions by {there.protocol}, it did by {group.protocol}: mixed members refuse each other"
            )
            yield QueueChange(What.GROUP, name, words, breaks=None)
    yield from _new_messages(then, now)


def _subject(name: str, before: Subject, after: Subject, produced: int) -> QueueChange:
    said = f"was {before.version} and is {after.version} now ({after.kind})"
    many = f"; {produced} messages came since" if produced else ""
    if after.compatibility in SAFE_FOR_OLD_READERS:
        return QueueChange(
            What.SUBJECT, name, f"{said}{many}; {after.compatibility} lets old readers read it", breaks=False
        )
    words = f"{said}{many}; the compatibility {after.compatibility or 'unknown'} does not protect old readers"
    return QueueChange(What.SUBJECT, name, words, breaks=True if produced else None)


def _produced(then: KafkaState, now: KafkaState, subject: str) -> int:
    """Messages of the subject's topic since then, by the usual naming TOPIC-value."""
    topic = subject.removesuffix("-value").removesuffix("-key")
    before, after = then.topics.get(topic), now.topics.get(topic)
    return max(0, after.end - before.end) if before and after else 0


def _new_messages(then: KafkaState, now: KafkaState) -> Iterator[QueueChange]:
    """Offsets do not travel back: what a group has not read yet, the old code will."""
    for name, group in now.groups.items():
        if group.lag and name in then.groups:
            words = f"has {group.lag} messages to read, which the newer revision's producers may have written"
            yield QueueChange(What.GROUP, name, words, breaks=None)
