"""A build as a chart: what is added, what it is called, how large its record will be."""

from __future__ import annotations

import json

import pytest

from helm_safe.core.yamledit import NoPlace
from helm_safe.core.yamlio import load_all
from helm_safe.model.bundle import RECORD_LIMIT, Source, chart, kept, record_size, secrets_of

DEFINITION = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: a.example.com\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  annotations: {a: b}\n  name: shop\n"
OTHERS = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: "1e3" # {{ remark }}\n'


def test_what_would_take_everything_with_it_is_kept() -> None:
    text = f"{DEFINITION}---\n{NAMESPACE}---\n{OTHERS}"
    marked = kept(text)
    policies = [(each["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") for each in load_all(marked)]
    assert policies == ["keep", "keep", None]
    assert marked.endswith(OTHERS)
    assert kept(marked) == marked


def test_a_policy_of_the_team_stays() -> None:
    stated = NAMESPACE.replace("{a: b}", "{helm.sh/resource-policy: none-of-it}")
    assert kept(stated) == stated


def test_annotations_that_nobody_can_extend_are_an_error() -> None:
    with pytest.raises(NoPlace):
        kept(NAMESPACE.replace("{a: b}", "null"))


@pytest.mark.parametrize(
    ("source", "version", "app", "words"),
    [
        (Source("overlays/prod"), "1.0.0", "", "overlays/prod"),
        (
            Source("overlays/prod", "0123456789abcdef"),
            "1.0.0+g0123456789ab",
            "0123456789ab",
            "overlays/prod at 0123456789ab",
        ),
        (
            Source("prod", "0123456789abcdef", dirty=True),
            "1.0.0+g0123456789ab.dirty",
            "0123456789ab-dirty",
            "prod at 0123456789ab with uncommitted changes",
        ),
    ],
)
def test_the_chart_says_where_the_build_comes_from(source: Source, version: str, app: str, words: str) -> None:
    files = chart("my.shop", OTHERS, source)
    metadata = json.loads(files["Chart.yaml"])
    assert (metadata["name"], metadata["version"], metadata["appVersion"]) == ("my-shop", version, app)
    assert metadata["annotations"]["helm-safe.dev/commit"] == source.commit
    assert source.words == words
    assert files["build.yaml"] == OTHERS
    assert "{{ remark }}" not in files["templates/build.yaml"]


def test_the_size_of_a_record_grows_with_what_cannot_be_compressed() -> None:
    assert record_size(OTHERS) < 8 * 1024
    noise = "".join(f"{number * 2654435761 % 2**32:08x}" for number in range(200_000))
    assert record_size(noise) > RECORD_LIMIT


def test_secrets_are_told_by_name() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token-7f"}, "data": {"a": "eA=="}}
    assert secrets_of([secret, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]) == ["token-7f"]
