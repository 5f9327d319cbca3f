"""The standby's objects on a real API server: accepted, kept apart from the live ones, and lent to the live Service."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from helm_safe.core.objects import Object, labels_of, ref_of
from helm_safe.core.redact import hash_secret
from helm_safe.model.changes import Change
from helm_safe.model.staging import Staging, staging_of
from helm_safe.model.standby import joined_labels, standby_objects
from helm_safe.sandbox.cluster import Sandbox
from tests.checks.world import container, deployment, obj, ref, revision, secret, service

pytestmark = pytest.mark.cluster
OWN = "helm-safe.dev/role=standby"
RBAC = "rbac.authorization.k8s.io"


class Namespace:
    """One namespace, through kubectl."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.name, self.env = name, {**os.environ, **sandbox.env()}

    def kubectl(self, *arguments: str, feed: str = "") -> str:
        command = ["kubectl", "-n", self.name, *arguments]
        done = subprocess.run(command, env=self.env, input=feed, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, objects: list[Object]) -> None:
        self.kubectl("create", "-f", "-", feed=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def items(self, kinds: str, *arguments: str) -> list[Any]:
        found: list[Any] = json.loads(self.kubectl("get", kinds, "-o", "json", *arguments))["items"]
        return found

    def endpoints(self, service: str) -> set[str]:
        """Names of the ready pods behind a Service."""
        slices = self.items("endpointslices", "-l", f"kubernetes.io/service-name={service}")
        ready = [end for each in slices for end in each.get("endpoints") or [] if end["conditions"].get("ready")]
        return {end["targetRef"]["name"] for end in ready}

    def pods(self, *arguments: str) -> set[str]:
        return {each["metadata"]["name"] for each in self.items("pods", *arguments)}


def until(met: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.2)


def release(namespace: str) -> tuple[list[Object], list[Object]]:
    """(target, current): another image and configuration, an account that only the target has, guards that select."""
    uses: Object = {"envFrom": [{"configMapRef": {"name": "conf"}}, {"secretRef": {"name": "keys"}}]}
    before = container(image="registry.example/shop:1", ports=[{"containerPort": 8080}], **uses)
    after = {**before, "image": "registry.example/shop:1-good"}
    role = obj("Role", "reader", RBAC, rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}])
    bound = obj(
        "RoleBinding",
        "reads",
        RBAC,
        subjects=[{"kind": "ServiceAccount", "name": "web", "namespace": namespace}],
        roleRef={"apiGroup": RBAC, "kind": "Role", "name": "reader"},
    )
    both = [
        service(),
        obj(
            "NetworkPolicy",
            "web",
            "networking.k8s.io",
            spec={"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]},
        ),
        obj(
            "PodDisruptionBudget",
            "web",
            "policy",
            spec={"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        ),
    ]
    account = obj("ServiceAccount", "web", automountServiceAccountToken=False)
    target = [
        deployment("web", before, pod={"serviceAccountName": "web"}),
        *both,
        obj("ConfigMap", "conf", data={"a": "1"}),
        secret(token="old"),
        account,
        role,
        bound,
    ]
    current = [deployment("web", after), *both, obj("ConfigMap", "conf", data={"a": "2"}), secret(token="new")]
    for each in (*target, *current):
        each["metadata"]["namespace"] = namespace
    return target, current


@pytest.mark.timeout(240)
def test_the_standby_lives_beside_and_is_lent_to_the_live_service(sandbox: Sandbox, namespace: str) -> None:
    there = Namespace(sandbox, namespace)
    target, current = release(namespace)
    there.create(current)
    until(lambda: len(there.endpoints("web")) == 2)
    kinds = "deployments,services,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets"
    live = {ref_of(each): hash_secret(each) for each in there.items(kinds)}
    change = Change(revision(2, *current), revision(1, *target))
    route = ref("HTTPRoute", "web", "gateway.networking.k8s.io")
    staging: Staging = staging_of(change, live, {"web": (route,)})

    made = standby_objects(staging, change, live, "r1", "shop")
    assert [each["kind"] for each in made] == [
        "ConfigMap",
        "Secret",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "NetworkPolicy",
        "Service",
        "Deployment",
    ]
    there.create(made)
    until(lambda: len(there.endpoints("web-standby")) == 2)
    ours = there.pods("-l", OWN)
    assert there.endpoints("web-standby") == ours
    assert not there.endpoints("web") & ours
    assert [each["status"]["expectedPods"] for each in there.items("pdb")] == [2]

    returned = joined_labels(staging, change, live, "r1", "shop")
    labels = [f"{key}={value}" for key, value in returned["web-standby"].returned.items()]
    for pod in sorted(ours):
        there.kubectl("label", "pod", pod, "--overwrite", *labels)
    until(lambda: there.endpoints("web") >= ours)
    there.kubectl("scale", "deployment", "web", "--replicas=0")
    until(lambda: there.endpoints("web") == ours)
    assert there.pods("-l", OWN) == ours
    assert {labels_of(each)["app"] for each in there.items("pods", "-l", OWN)} == {"web"}

    there.kubectl("delete", kinds + ",roles,rolebindings", "-l", OWN)
    assert there.items("deployments", "-l", OWN) == []
