"""A real run is killed and resumed by another process: one incident, resolved, and no secret in what it leaves."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helm_safe.core.yamlio import dump, load
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import RELEASE
from tests.cluster.guarded import start, two_revisions
from tests.notifiers.receivers import BOT_TOKEN, HMAC_KEY, ROUTING_KEY, SECRETS, Receivers, receiving

pytestmark = pytest.mark.cluster
REACHED = 90.0


@pytest.fixture
def there() -> Iterator[Receivers]:
    with receiving() as found:
        yield found


def told(there: Receivers, words: str) -> bool:
    return any(words in json.dumps(body) for _, _, body in list(there.asked))


def test_killed_while_users_move_and_resumed(
    sandbox: Sandbox, namespace: str, tmp_path: Path, there: Receivers
) -> None:
    stage, flags = two_revisions(sandbox, 4, namespace, tmp_path, pods=2)
    policy = Path(flags[flags.index("--policy") + 1])
    body = load(policy.read_text())
    body["spec"]["notifiers"] = [
        {"name": "pager", "type": "pagerduty", "url": there.url, "secret": {"env": "PAGER"}},
        {
            "name": "chat",
            "type": "slack",
            "url": f"{there.url}/slack",
            "channel": "C0123456789",
            "secret": {"env": "BOT"},
        },
        {"name": "hook", "type": "webhook", "url": f"{there.url}/hook", "secret": {"ref": "secret/notify#hmac"}},
    ]
    policy.write_text(dump(body))
    stage.kubectl("create", "secret", "generic", "notify", f"--from-literal=hmac={HMAC_KEY}")
    stage.env |= {"PAGER": ROUTING_KEY, "BOT": BOT_TOKEN}
    where = ("-n", namespace)
    first = start(stage.env, RELEASE, "1", "--yes", "--steps", "50,100", "--bake", "4s", *where, *flags)
    try:
        limit = time.monotonic() + REACHED
        while not told(there, "STANDBY: made"):
            assert first.poll() is None, first.communicate(timeout=5)
            assert time.monotonic() < limit, there.asked
            time.sleep(0.2)
    finally:
        first.kill()
    said = list(first.communicate(timeout=10))
    assert list(there.alerts.values()) == ["triggered"]

    second = start(stage.env, "resume", RELEASE, *where)
    try:
        said += second.communicate(timeout=240)
    finally:
        second.kill()
    assert second.returncode == 0, said
    status = start(stage.env, "status", RELEASE, *where, "-o", "json")
    said += status.communicate(timeout=30)
    incident = json.loads(said[-2])["incident"]
    assert [(each["name"], each["state"], each["why"]) for each in incident["notifiers"]] == [
        ("chat", "closed", ""),
        ("hook", "closed", ""),
        ("pager", "closed", ""),
    ]
    assert there.alerts == {incident["key"]: "resolved"}
    assert (there.pages, len(there.roots)) == (1, 1)
    events = [each["event"] for each in there.hooks]
    assert (events.count("opened"), events[-1]) == (1, "closed")
    uid = stage.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}").stdout
    assert incident["key"].startswith(f"helm-safe/{uid[:8]}/{namespace}/{RELEASE}/")

    kept = json.loads(stage.kubectl("get", "secrets", "-l", "helm-safe.dev/role=journal", "-o", "json").stdout)
    said += [base64.b64decode(each["data"]["records"]).decode() for each in kept["items"]]
    said += [path.read_text(errors="replace") for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not [secret for secret in SECRETS if any(secret in text for text in said)]
