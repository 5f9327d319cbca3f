"""Every way in which a pod refers to something else."""

from __future__ import annotations

import pytest

from helm_safe.core.objects import Object
from helm_safe.core.references import Role, config_references, references_of


def one(spec: Object) -> list[tuple[str, str, str, bool, Role]]:
    return [(ref.kind, ref.name, ref.key, ref.optional, ref.role) for ref in references_of({"spec": spec})]


def env(**source: object) -> Object:
    return {"containers": [{"name": "app", "env": [{"name": "A", "valueFrom": source}]}]}


def volume(**source: object) -> Object:
    return {"volumes": [{"name": "v", **source}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (env(configMapKeyRef={"name": "c", "key": "k"}), ("ConfigMap", "c", "k", False, Role.ENV)),
        (env(secretKeyRef={"name": "s", "key": "k", "optional": True}), ("Secret", "s", "k", True, Role.ENV)),
        (
            {"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "s"}}]}]},
            ("Secret", "s", "", False, Role.ENV_FROM),
        ),
        (volume(configMap={"name": "c"}), ("ConfigMap", "c", "", False, Role.VOLUME)),
        (volume(secret={"secretName": "s", "items": [{"key": "k"}]}), ("Secret", "s", "k", False, Role.VOLUME)),
        (
            volume(
                projected={"sources": [{"serviceAccountToken": {}}, {"configMap": {"name": "c", "optional": True}}]}
            ),
            ("ConfigMap", "c", "", True, Role.VOLUME),
        ),
        (volume(csi={"nodePublishSecretRef": {"name": "s"}}), ("Secret", "s", "", False, Role.VOLUME)),
        (volume(azureFile={"secretName": "s"}), ("Secret", "s", "", False, Role.VOLUME)),
        (volume(persistentVolumeClaim={"claimName": "p"}), ("PersistentVolumeClaim", "p", "", False, Role.CLAIM)),
        ({"imagePullSecrets": [{"name": "s"}]}, ("Secret", "s", "", False, Role.PULL)),
        ({"serviceAccount": "a"}, ("ServiceAccount", "a", "", False, Role.ACCOUNT)),
        ({"priorityClassName": "p"}, ("PriorityClass", "p", "", False, Role.PRIORITY)),
    ],
)
def test_each_kind_of_reference_is_found(spec: Object, expected: tuple[object, ...]) -> None:
    assert one(spec) == [expected]


def test_the_place_is_said_in_plain_words() -> None:
    spec = env(secretKeyRef={"name": "s", "key": "k"})
    assert next(references_of({"spec": spec})).where == "env A of container app"


def test_only_configuration_reaches_the_containers() -> None:
    spec = {"imagePullSecrets": [{"name": "s"}], "serviceAccountName": "a", **volume(configMap={"name": "c"})}
    assert [str(ref) for ref in config_references({"spec": spec})] == ["ConfigMap/c"]


def test_plain_values_and_empty_volumes_refer_to_nothing() -> None:
    plain = {"containers": [{"name": "app", "env": [{"name": "A", "value": "x"}]}], **volume(emptyDir={})}
    assert one(plain) == []


@pytest.mark.parametrize("odd", [None, "x", 3, [None, "x", 3, {"name": 5}], {"name": []}])
@pytest.mark.parametrize(
    "field", ["containers", "volumes", "imagePullSecrets", "serviceAccountName", "priorityClassName"]
)
def test_odd_shapes_are_survived(field: str, odd: object) -> None:
    assert all(isinstance(ref.name, str) for ref in references_of({"spec": {field: odd}}))
