"""The detective's story: each prepared failure on the real cluster, its autopsy held up to the truth."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from helm_safe.core.objects import Object, dig
from helm_safe.model.errors import RunFailed
from helm_safe.sandbox.agent.podspec import PREFIX
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.failing import APP, HOLD, NODE_MARK, Failure
from helm_safe.sandbox.demo.stage import Stage

CHART = Path(__file__).resolve().parent / "failures"
PATIENCE = 90.0
READ = "pods,events,deployments,replicasets,jobs"


@dataclass(frozen=True, slots=True)
class Found:
    """What the autopsy said of one failure. seconds: that it took. wanted: the advice that is true."""

    failure: str
    cause: str
    said: str
    advice: str
    wanted: str
    named: bool
    seconds: float

    @property
    def right(self) -> bool:
        return self.named and self.advice == self.wanted


def enough(found: list[Found]) -> bool:
    """Nine of ten are named, and HOLD is said wherever the platform or a dependency is to blame."""
    held = all(each.advice == HOLD for each in found if each.wanted == HOLD)
    return bool(found) and held and 10 * sum(each.right for each in found) >= 9 * len(found)


class Inquest:
    """One failure, in a namespace of its own that is gone afterwards. major: which Helm plays."""

    def __init__(self, sandbox: Sandbox, major: int, failure: Failure) -> None:
        self._stage = Stage(sandbox, major, failure.namespace)
        self._failure = failure
        self._folder = sandbox.spec.run / "inquests" / failure.namespace
        self._folder.mkdir(parents=True, exist_ok=True)
        self._past: set[str] = set()

    def hold(self) -> Found:
        """Play it, wait for the sign of it, and ask once."""
        try:
            self._play()
            self._await_sign()
            return self._ask()
        finally:
            self._end()

    def _play(self) -> None:
        failure, stage = self._failure, self._stage
        self._release(failure.before)
        ill = _fails(failure.before)
        self._await_sign() if ill else stage.kubectl("rollout", "status", f"deployment/{APP}", "--timeout=60s")
        old = stage.kubectl("get", "pods", "-o", "name").stdout.split()
        self._past = {name.partition("/")[2] for name in old} if ill else set()
        for obj in failure.beside:
            stage.kubectl("apply", "-f", "-", feed=json.dumps(obj))
        if failure.node:
            self._node(f"{NODE_MARK}={failure.node}")
            tainted = "--for=jsonpath={.spec.taints[0].key}=node.kubernetes.io/not-ready"
            stage.kubectl("wait", tainted, "node", "--all", "--timeout=30s")
        self._release(failure.after)
        for mark in failure.old:
            stage.kubectl("annotate", "--overwrite", *old, f"{PREFIX}{mark}")

    def _release(self, objects: tuple[Object, ...]) -> None:
        """Install or upgrade; a hook may fail it."""
        values = self._folder / "values.json"
        values.write_text(json.dumps({"objects": objects}), encoding="utf-8")
        self._stage.helm("upgrade", "--install", APP, CHART, "--create-namespace", "-f", values, fails=True)

    def _await_sign(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._shown():
            if time.monotonic() > deadline:
                raise RunFailed(
                    f"{self._failure.name}: the cluster did not say {self._failure.sign} in {PATIENCE:.0f} s"
                )
            time.sleep(0.5)

    def _shown(self) -> bool:
        """Whether anything but the pods of a revision 1 that failed as well shows it."""
        items = json.loads(self._stage.kubectl("get", READ, "-o", "json").stdout)["items"]
        names = ((each["metadata"]["name"], dig(each, "involvedObject", "name")) for each in items)
        rest = [each for each, pair in zip(items, names, strict=True) if not self._past & set(pair)]
        return self._failure.sign in json.dumps(rest)

    def _ask(self) -> Found:
        failure, since = self._failure, time.monotonic()
        done = self._stage.safe("autopsy", APP, "--output-dir", str(self._folder), "-o", "json", fails=True)
        took = time.monotonic() - since
        try:
            suspicions = json.loads(done.stdout)["suspicions"]
        except (ValueError, KeyError):
            raise RunFailed(f"autopsy of {failure.name} failed: {done.stderr.strip()[-400:]}") from None
        first = suspicions[0] if suspicions else {"cause": "", "title": "nothing", "advice": "none"}
        named = first["cause"] in failure.causes
        return Found(failure.name, first["cause"], first["title"], first["advice"], failure.advice, named, took)

    def _node(self, mark: str) -> None:
        names = self._stage.kubectl("get", "nodes", "-o", "name").stdout.split()
        self._stage.kubectl("annotate", "--overwrite", *names, mark)

    def _end(self) -> None:
        if self._failure.node:
            self._node(f"{NODE_MARK}-")
            self._stage.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=30s", fails=True)
        self._stage.helm("uninstall", APP, "--ignore-not-found", fails=True)
        self._stage.kubectl("delete", "namespace", self._failure.namespace, "--wait=false", fails=True)


def _fails(objects: tuple[Object, ...]) -> bool:
    return "-crash" in json.dumps(objects)
