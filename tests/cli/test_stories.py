"""The people of the demo and the verdict of the detective's story; the stories themselves run on a real cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from helm_safe.sandbox.demo.failing import FAILURES
from helm_safe.sandbox.demo.inquests import Found, enough
from helm_safe.sandbox.demo.people import People

RIGHT = Found("crash loop", "crash", "it crashes", "roll back", "roll back", named=True, seconds=1.0)
HELD = replace(RIGHT, failure="node", cause="node", advice="hold", wanted="hold")


def alert(action: str) -> tuple[str, dict[str, Any]]:
    return "/v2/enqueue", {"dedup_key": "k", "event_action": action}


def notice(event: str, state: str) -> tuple[str, dict[str, Any]]:
    return "/hook", {"event": event, "state": state}


STORY = (
    alert("trigger"),
    ("/slack/chat.postMessage", {"text": "root"}),
    notice("opened", "UNDER_WAY"),
    alert("trigger"),
    ("/slack/chat.postMessage", {"text": "waits", "thread_ts": "1700000000.000000"}),
    notice("updated", "WAITING"),
    alert("resolve"),
    notice("closed", "SUCCEEDED"),
)


def told(*story: tuple[str, dict[str, Any]]) -> People:
    made = People()
    for path, body in story:
        status, _ = made.answer(path, body)
        assert status in (200, 202)
    return made


def test_one_incident_breaks_no_promise() -> None:
    people = told(*STORY)
    assert people.broken_promises() == []
    assert people.alerts == {"k": ["opened", "updated", "resolved"]}
    assert people.waiting.is_set()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (alert("trigger"), "2 pages"),
        (("/slack/chat.postMessage", {"text": "another"}), "2 Slack threads"),
        (notice("opened", "UNDER_WAY"), "heard 2 openings"),
        (alert("resolve"), "not resolved once"),
    ],
)
def test_a_second_incident_is_noticed(more: tuple[str, dict[str, Any]], words: str) -> None:
    """Whatever is told twice breaks a promise."""
    assert words in " ".join(told(*STORY, more).broken_promises())


def test_silence_is_no_success() -> None:
    assert len(People().broken_promises()) >= 4


def test_nine_of_ten_are_enough_but_every_hold_must_be_said() -> None:
    wrong = replace(RIGHT, named=False)
    assert enough([RIGHT] * 9 + [wrong])
    assert not enough([RIGHT] * 8 + [wrong] * 2)
    assert not enough([RIGHT] * 99 + [replace(HELD, advice="roll back")])
    assert not enough([])


def test_the_failures_cover_what_is_promised() -> None:
    """Each has a namespace of its own; what is played on the node comes last."""
    assert len({each.namespace for each in FAILURES}) == len(FAILURES) >= 10
    assert [bool(each.node) for each in FAILURES].index(True) == len(FAILURES) - 1
