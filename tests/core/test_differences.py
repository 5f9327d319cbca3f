"""What counts as a difference between a manifest and a live object."""

from __future__ import annotations

import pytest

from helm_safe.core.differences import differences


@pytest.mark.parametrize(
    ("stated", "live"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"cpu": "1000m"}, {"cpu": "1"}),
        ({"cpu": 0.5}, {"cpu": "500m"}),
        ({"port": "80"}, {"port": 80}),
        ({"timeout": "60s"}, {"timeout": "1m0s"}),
        ({"flag": False, "text": "", "count": 0, "none": None, "map": {}, "list": []}, {}),
        ({"on": "true"}, {"on": True}),
        ({"list": [{"name": "b"}, {"name": "a"}]}, {"list": [{"name": "a", "more": 1}, {"name": "b"}, {"name": "c"}]}),
    ],
)
def test_defaults_order_and_spelling_do_not_count(stated: object, live: object) -> None:
    assert list(differences(stated, live)) == []


@pytest.mark.parametrize(
    ("stated", "live", "path"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"a": {"b": 1}}, {}, "a.b"),
        ({"replicas": 0}, {"replicas": 3}, "replicas"),
        ({"flag": False}, {"flag": True}, "flag"),
        ({"c": [{"name": "app", "image": "a"}]}, {"c": [{"name": "app", "image": "b"}]}, "c[app].image"),
        ({"c": [{"name": "app"}]}, {"c": [{"name": "other"}]}, "c[app]"),
        ({"args": ["a"]}, {"args": ["a", "b"]}, "args"),
        ({"args": ["a"]}, {"args": ["b"]}, "args[0]"),
        ({"a": [1]}, {"a": "x"}, "a"),
    ],
)
def test_real_differences_name_their_path(stated: object, live: object, path: str) -> None:
    assert list(differences(stated, live)) == [path]


def test_endless_depth_is_cut_off() -> None:
    deep: dict[str, object] = {}
    for _ in range(500):
        deep = {"a": deep or 1}
    assert list(differences(deep, {})) == []
