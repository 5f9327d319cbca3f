"""The notifiers of a policy: what is refused, how it is said, and that the published schema agrees."""

from __future__ import annotations

from typing import Any

import pytest

from helm_safe.model.errors import UsageError
from helm_safe.model.incident import State, Urgency, incident_key
from helm_safe.model.notifying import SHAPES
from tests.model.test_policy import document, fits_schema, read

ENV = {"env": "THE_KEY"}
GOOD: dict[str, dict[str, Any]] = {
    "pagerduty": {"secret": ENV},
    "slack": {"secret": ENV, "channel": "#incidents"},
    "slack-webhook": {"secret": {"file": "/run/secrets/slack"}},
    "teams": {"secret": {"ref": "secret/teams#url"}},
    "opsgenie": {"secret": ENV, "team": "shop", "url": "https://api.eu.opsgenie.com"},
    "alertmanager": {"urls": ["http://am:9093"], "labels": {"team": "shop"}},
    "grafana": {"secret": ENV, "url": "https://grafana.example", "tags": ["shop"]},
    "webhook": {"secret": ENV, "url": "https://hooks.example/x"},
    "stdout": {},
}


def of(kind: str, **more: Any) -> dict[str, Any]:
    return {"name": "one", "type": kind, **GOOD.get(kind, {}), **more}


def spec(*entries: Any) -> dict[str, Any]:
    return document(notifiers=list(entries))


@pytest.mark.parametrize("kind", SHAPES)
def test_each_type_can_be_said(kind: str) -> None:
    assert set(GOOD) == set(SHAPES)
    found = read(spec(of(kind))).values["notifiers"]
    assert found == (of(kind),)
    assert fits_schema(spec(of(kind)))


BAD = [
    ("pagerdutty", {}, r"\[0\]\.type: one of pagerduty, slack, .* is expected \(did you mean pagerduty\?\)"),
    ("sms", {}, "one of pagerduty, slack, slack-webhook, teams, opsgenie, alertmanager, grafana, webhook, stdout"),
    ("slack", {"channel": ""}, r"\.channel: a channel"),
    ("slack", {"chanel": "x"}, r"\.chanel is not known for slack \(known: name, type, channel, url, secret\)"),
    ("webhook", {"url": "https://user:pass@hooks.example"}, "without a password"),
    ("webhook", {"url": "https://hooks.example/?token=x"}, r"\.url: an address"),
    ("webhook", {"url": "ftp://hooks.example"}, r"\.url: an address"),
    ("alertmanager", {"urls": []}, r"\.urls: a list of the addresses"),
    ("alertmanager", {"labels": {"a-b": "x"}}, r"\.labels"),
    ("pagerduty", {"secret": "R0ut1ngKey"}, "the secret itself never stands in a policy"),
    ("pagerduty", {"secret": {"value": "R0ut1ngKey"}}, "the secret itself never stands in a policy"),
    ("pagerduty", {"secret": {"env": "A", "file": "B"}}, "one of {env: NAME}"),
    ("pagerduty", {"secret": {"env": "R0ut1ngKey!"}}, "the name of a variable of the environment"),
    ("pagerduty", {"secret": {"ref": "pager#key"}}, "secret/NAME#KEY is expected"),
    ("stdout", {"secret": ENV}, r"\.secret is not known for stdout"),
    ("stdout", {"name": "Two Words"}, r"\.name: lower-case letters"),
]


@pytest.mark.parametrize(("kind", "more", "words"), BAD)
def test_mistakes_are_named_and_repeat_no_secret(kind: str, more: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        read(spec(of(kind, **more)))
    assert "R0ut1ngKey" not in error.value.message
    assert "user:pass" not in error.value.message
    assert not fits_schema(spec(of(kind, **more)))


@pytest.mark.parametrize("kind", ["pagerduty", "slack", "slack-webhook", "teams", "opsgenie", "grafana", "webhook"])
def test_a_secret_must_come_from_somewhere(kind: str) -> None:
    entry = {key: value for key, value in of(kind).items() if key != "secret"}
    with pytest.raises(UsageError, match=r"\.secret is missing: where the "):
        read(spec(entry))
    assert not fits_schema(spec(entry))


@pytest.mark.parametrize("entries", ["x", {"name": "one"}, ["x"], [None], [of("stdout")] * 11])
def test_other_shapes_are_no_list_of_notifiers(entries: Any) -> None:
    with pytest.raises(UsageError):
        read(document(notifiers=entries))


def test_two_of_a_name_are_a_mistake() -> None:
    with pytest.raises(UsageError, match="two notifiers are named 'one'"):
        read(spec(of("stdout"), of("pagerduty")))


def test_the_key_names_cluster_release_and_run_and_is_short_enough() -> None:
    assert incident_key("3f2a9c1e-77", "prod", "api", "r1") == "helm-safe/3f2a9c1e/prod/api/r1"
    assert len(incident_key("x" * 36, "n" * 63, "r" * 53, "20260102-030405-abcdef")) <= 255


def test_every_state_has_words_and_an_urgency() -> None:
    assert all(state.words and isinstance(state.urgency, Urgency) for state in State)
    assert [state for state in State if state.urgency is Urgency.CRITICAL] == [State.ABORTED, State.FAILED, State.STUCK]
