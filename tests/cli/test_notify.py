"""`notify list|test` as it is typed, over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helm_safe.cli.main import main
from helm_safe.core.yamlio import dump
from tests.notifiers.receivers import HMAC_KEY, ROUTING_KEY, SECRETS, SLACK_PATH, Bad, Receivers, receiving


@pytest.fixture
def there() -> Iterator[Receivers]:
    with receiving() as found:
        yield found


@pytest.fixture
def policy(there: Receivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three notifiers; none needs a cluster, and there is none."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("PAGER", ROUTING_KEY)
    monkeypatch.setenv("CHAT", there.url + SLACK_PATH)
    (tmp_path / "hmac").write_text(HMAC_KEY)
    entries: list[dict[str, Any]] = [
        {"name": "pager", "type": "pagerduty", "url": there.url, "secret": {"env": "PAGER"}},
        {"name": "chat", "type": "slack-webhook", "secret": {"env": "CHAT"}},
        {"name": "hook", "type": "webhook", "url": f"{there.url}/hook", "secret": {"file": str(tmp_path / "hmac")}},
    ]
    document = {"apiVersion": "helm-safe.dev/v1alpha1", "kind": "RollbackPolicy", "spec": {"notifiers": entries}}
    (tmp_path / "policy.yaml").write_text(dump(document))
    return str(tmp_path / "policy.yaml")


def test_each_is_told_and_nothing_stays_open(policy: str, there: Receivers, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "test", "--policy", policy, "-n", "prod", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["notifiers"]
    assert [(each["name"], each["state"], each["why"]) for each in found] == [
        ("pager", "ok", ""),
        ("chat", "ok", ""),
        ("hook", "ok", ""),
    ]
    assert list(there.alerts.values()) == ["resolved"]
    assert "this is a test of the notifications" in there.plain[0]["text"]
    assert [each["state"] for each in there.hooks] == ["TEST", "TEST"]


def test_who_cannot_be_told_is_named_with_the_reason(
    policy: str, there: Receivers, capsys: pytest.CaptureFixture[str]
) -> None:
    there.bad = [Bad(403, {}, f"no {ROUTING_KEY}".encode())]
    assert main(["notify", "test", "--policy", policy]) == 1
    out = "".join(capsys.readouterr())
    assert "refuses the credentials (403)" in " ".join(out.split())
    assert not [secret for secret in SECRETS if secret in out]


def test_a_secret_that_is_not_there_is_a_mistake_of_configuration(
    policy: str, there: Receivers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGER")
    assert main(["notify", "test", "--policy", policy, "-o", "json"]) == 2
    first = json.loads(capsys.readouterr().out)["notifiers"][0]
    assert first["state"] == "misconfigured"
    assert "environment variable PAGER is not set" in first["why"]


def test_a_dry_run_shows_what_would_be_sent(policy: str, there: Receivers, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "test", "--policy", policy, "--notify-dry-run"]) == 0
    out = capsys.readouterr().out
    assert there.asked == []
    assert "event_action" in out
    assert not [secret for secret in SECRETS if secret in out]


def test_the_list_names_where_secrets_come_from(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "list", "--policy", policy, "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["notifiers"]
    assert rows[0] == {"name": "pager", "type": "pagerduty", "secret": "env PAGER"}
    assert main(["notify", "list", "--policy", policy]) == 0
    assert not [secret for secret in SECRETS if secret in capsys.readouterr().out]


def test_without_notifiers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.yaml").write_text("apiVersion: helm-safe.dev/v1alpha1\nkind: RollbackPolicy\n")
    assert main(["notify", "test", "--policy", str(tmp_path / "p.yaml")]) == 2
    assert main(["notify", "list", "--policy", str(tmp_path / "p.yaml")]) == 0


@pytest.mark.parametrize("key", ["", "two words", "ü", "x" * 256])
def test_a_key_that_nobody_could_take(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checkout-api", "1", "--yes", "--incident", key]) == 2
    assert "--incident" in capsys.readouterr().err
