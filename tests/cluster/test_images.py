"""IMG-001 on a real API server: an image that a node holds is verified, one that never ran is not."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from tests.cluster.test_bad_input import Shop, shop

__all__ = ["shop"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]


def findings(shop: Shop, revision: int) -> list[dict[str, str]]:
    body = json.loads(shop.run("check", "shop", str(revision), "-o", "json").stdout)
    return [each for each in body["findings"] if each["check"] == "IMG-001"]


def test_an_image_that_ran_is_verified_after_its_pods_are_gone(shop: Shop) -> None:
    ran, never = f"1{uuid.uuid4().hex[:6]}", f"1{uuid.uuid4().hex[:6]}"
    shop.upgrade(ran)
    shop.kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
    template = shop.folder / "chart" / "templates" / "all.yaml"
    template.write_text(template.read_text().replace("replicas: 1", "replicas: 0"))
    shop.upgrade(never)
    shop.upgrade("2")
    shop.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=60s")
    deadline = time.monotonic() + 20
    while findings(shop, 3):  # the node reports every few seconds
        assert time.monotonic() < deadline, findings(shop, 3)
        time.sleep(1)
    (unseen,) = findings(shop, 4)
    assert unseen["status"] == "unverified"
    assert never in unseen["message"]
