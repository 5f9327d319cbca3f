"""Prepared failures, each revision 2 of a release of its own: what goes wrong, and what an autopsy must say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.sandbox.agent.node import NOT_READY
from helm_safe.sandbox.agent.podspec import PREFIX

APP = "shop"
BACK, HOLD, FORWARD = "roll back", "hold", "roll forward"


@dataclass(frozen=True, slots=True)
class Failure:
    """One prepared failure.

    before, after: the objects of both revisions. sign: what the cluster says of pods, events, workloads and nodes once
    it has gone wrong; only then the autopsy is asked. causes: those that name it; advice: what follows.
    beside: made by somebody else between the two. old: annotations that the pods of revision 1 get once revision 2 is
    there: their world changes, not they. node: what the node says of itself before revision 2 comes.
    """

    name: str
    before: tuple[Object, ...]
    after: tuple[Object, ...]
    sign: str
    causes: tuple[str, ...]
    advice: str
    beside: tuple[Object, ...] = ()
    old: tuple[str, ...] = ()
    node: str = ""

    @property
    def namespace(self) -> str:
        return f"autopsy-{self.name.lower().replace(' ', '-')}"


def deployment(tag: str, marks: dict[str, str] | None = None, **container: Any) -> Object:
    """marks: annotations of the sandbox, by which the pod agent plays what the program does."""
    app = {"name": "app", "image": f"sandbox/{APP}:{tag}", "ports": [{"containerPort": 8080}], **container}
    template = {"labels": {"app": APP}, "annotations": {PREFIX + key: value for key, value in (marks or {}).items()}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": APP},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": APP}},
            "template": {"metadata": template, "spec": {"containers": [app]}},
        },
    }


def probe(port: int) -> Object:
    return {"readinessProbe": {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1}}


def memory(limit: str) -> Object:
    return {"resources": {"requests": {"memory": limit}, "limits": {"memory": limit}}}


def quota(limit: str) -> Object:
    hard = {"limits.memory": limit}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": hard}}


def migration() -> Object:
    """A hook Job whose migration meets a table that is there already."""
    line = 'psycopg.errors.DuplicateTable: relation "discounts" already exists'
    marks = {f"{PREFIX}role": "crash", f"{PREFIX}log-line": line}
    pod = {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": "sandbox/migrate:2"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"annotations": marks}, "spec": pod}},
    }


def logs(line: str) -> dict[str, str]:
    return {"log-line": line}


_KEY: Object = {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "payment", "key": "key"}}}]}
_GOOD = (deployment("1-good", **memory("128Mi"), **probe(8080)),)
_REFUSED = "dial tcp 10.0.0.1:5432: connect: connection refused"
_BROKEN_LIBRARY = "java.lang.IllegalStateException: licence server says: contract has ended"


def _new(tag: str, marks: dict[str, str] | None = None, **container: Any) -> tuple[Object, ...]:
    return (deployment(tag, marks, **{**memory("128Mi"), **probe(8080), **container}),)


FAILURES = (
    Failure("crash loop", _GOOD, _new("2-crash-1"), "CrashLoopBackOff", ("crash",), BACK),
    Failure("out of memory", _GOOD, _new("2-oom-1", **memory("32Mi")), "CrashLoopBackOff", ("out-of-memory",), BACK),
    Failure("missing Secret", _GOOD, _new("2-good", **_KEY), "CreateContainerConfigError", ("missing-object",), BACK),
    Failure("wrong image", _GOOD, _new("2-missing"), "ImagePullBackOff", ("image-missing",), BACK),
    Failure("schema behind the code", _GOOD, _new("2-schema-mismatch"), "statuscode: 500", ("schema-behind",), BACK),
    Failure(
        "schema ahead of the code",
        _GOOD,
        _new("2-cold-600"),
        "statuscode: 500",
        ("schema-ahead",),
        FORWARD,
        old=("role=schema-mismatch",),
    ),
    Failure(
        "failing migration hook",
        _GOOD,
        (*_new("2-good"), migration()),
        "BackoffLimitExceeded",
        ("hook", "history-mismatch"),
        BACK,
    ),
    Failure("bad probe", _GOOD, _new("2-good", **probe(9999)), "Readiness probe failed", ("probe",), BACK),
    Failure(
        "quota exceeded", _GOOD, _new("2-good", **memory("4Gi")), "exceeded quota", ("quota",), BACK,
        beside=(quota("1Gi"),),
    ),
    Failure(
        "configuration missing", _GOOD, _new("2-crash-1", logs("KeyError: 'PAYMENT_URL'")), "CrashLoopBackOff",
        ("config-missing",), BACK,
    ),
    Failure("dependency down", _GOOD, _new("2-crash-1", logs(_REFUSED)), "CrashLoopBackOff", ("unreachable",), HOLD),
    Failure(
        "both revisions alike",
        (deployment("1-crash-1", logs(_BROKEN_LIBRARY)),),
        (deployment("2-crash-1", logs(_BROKEN_LIBRARY)),),
        "CrashLoopBackOff",
        ("crash",),
        HOLD,
    ),
    Failure("quota used up by others", _GOOD, _new("2-good"), "exceeded quota", ("quota",), HOLD, (quota("1Mi"),)),
    Failure(
        "registry down", _GOOD, _new("2-good", {"pull-error": "dial tcp 10.0.0.9:443: i/o timeout"}),
        "ImagePullBackOff", ("registry-down",), HOLD,
    ),
    Failure(
        "node not ready", _GOOD, _new("2-good"), "untolerated taint", ("node",), HOLD,
        node="container runtime is down",
    ),
)  # fmt: skip
"""What is played on the node comes last: the others' pods are on it, too."""
NODE_MARK = NOT_READY
