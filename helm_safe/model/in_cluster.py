"""Objects with which helm-safe itself runs in the cluster: a guard beside a run, or the run as a Job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helm_safe.core.annotations import MANAGED_BY, MANAGED_BY_LABEL, RELEASE_LABEL, ROLE_LABEL
from helm_safe.core.objects import Object
from helm_safe.model.revisions import Release

RBAC = "rbac.authorization.k8s.io"
GUARD, RUNNER = "watchdog", "runner"
STATE = "/state"


def names(release: Release, role: str) -> str:
    return f"helm-safe-{role}-{release.name}"


def labels(release: Release, role: str) -> dict[str, str]:
    return {MANAGED_BY_LABEL: MANAGED_BY, RELEASE_LABEL: release.name, ROLE_LABEL: role}


def selector(release: Release, role: str) -> str:
    """Of the pods of that role."""
    return ",".join(f"{key}={value}" for key, value in labels(release, role).items())


def account(release: Release, role: str) -> Object:
    return _made(release, role, "v1", "ServiceAccount")


def bindings(release: Release, role: str, roles: Sequence[Object]) -> list[Object]:
    """The roles under names of our own, each followed by its binding to the account."""
    found = []
    subject = {"kind": "ServiceAccount", "name": names(release, role), "namespace": release.namespace}
    for made in roles:
        namespace = made["metadata"].get("namespace", "")
        name = names(release, role) + ("" if namespace == release.namespace else f"-{release.namespace}")
        where = {"name": name, "labels": labels(release, role), **({"namespace": namespace} if namespace else {})}
        reference = {"apiGroup": RBAC, "kind": made["kind"], "name": name}
        found += [
            {**made, "metadata": where},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{made['kind']}Binding",
                "metadata": dict(where),
                "roleRef": reference,
                "subjects": [subject],
            },
        ]
    return found


def guard(release: Release, image: str, after: float) -> Object:
    """One pod that watches the Lease; it is small, and moves on when its node is drained."""
    command = ["watchdog", release.name, "-n", release.namespace, "--after", f"{after:.0f}s", "--in-cluster"]
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels(release, GUARD)},
        "template": {"metadata": {"labels": labels(release, GUARD)}, "spec": _pod(release, GUARD, image, command)},
    }
    return _made(release, GUARD, "apps/v1", "Deployment", spec=spec)


def job(release: Release, image: str, words: Sequence[str], policy: bool, driver: str = "") -> Object:
    """A Job that carries a run out, and goes on with it where its pod dies.

    policy: the ConfigMap of `policy_map`. driver: where Helm keeps its records, "" for Helm's default.
    """
    pod = _pod(release, RUNNER, image, words)
    pod["containers"][0]["env"] += [{"name": "HELM_DRIVER", "value": driver}] if driver else []
    pod["restartPolicy"] = "Never"
    if policy:
        pod["volumes"].append({"name": "policy", "configMap": {"name": names(release, RUNNER)}})
        mount = {"name": "policy", "mountPath": "/policy", "readOnly": True}
        pod["containers"][0]["volumeMounts"].append(mount)
    template = {"metadata": {"labels": labels(release, RUNNER)}, "spec": pod}
    # Its own exit codes are answers; only a pod that was taken away is tried again, and goes on where it was.
    answers = {"containerName": "helm-safe", "operator": "In", "values": [1, 2, 3, 5]}
    spec = {
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": answers}]},
        "backoffLimit": 5,
        "ttlSecondsAfterFinished": 86400,
        "template": template,
    }
    return _made(release, RUNNER, "batch/v1", "Job", spec=spec)


def policy_map(release: Release, text: str) -> Object:
    return _made(release, RUNNER, "v1", "ConfigMap", data={"policy.yaml": text})


def owned_by(obj: Object, owner: Object) -> Object:
    """The object goes when its owner does. Only one of the same namespace can be owned."""
    metadata = obj["metadata"]
    if metadata.get("namespace") != owner["metadata"]["namespace"]:
        return obj
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return {**obj, "metadata": {**metadata, "ownerReferences": [reference]}}


def _made(release: Release, role: str, api: str, kind: str, **body: Any) -> Object:
    metadata = {"name": names(release, role), "namespace": release.namespace, "labels": labels(release, role)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}


def _pod(release: Release, role: str, image: str, words: Sequence[str]) -> dict[str, Any]:
    """Nothing but a process with a token: no root, no capabilities, nothing to write to but one empty folder."""
    container = {
        "name": "helm-safe",
        "image": image,
        "args": list(words),
        "env": [{"name": name, "value": STATE} for name in ("XDG_STATE_HOME", "HOME", "TMPDIR")],
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "state", "mountPath": STATE}],
    }
    return {
        "serviceAccountName": names(release, role),
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "state", "emptyDir": {}}],
    }
