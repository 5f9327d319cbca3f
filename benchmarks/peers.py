"""Peers: the same bad release under load, and each tool's own way back.

`python -m benchmarks.peers [NAME ...] [--json FILE]`.

Every way has a namespace of its own in one sandbox and is played alone: four pods, a good version that is cold for its
first four seconds behind polite probes, a broken one that fails 40 % of its answers, 60 requests a second through
Traefik. The controllers are built and run here. Prints the table of docs/peers.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from helm_safe.cli.demo import POLICY
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.numbers import Request, between, calm_after
from helm_safe.sandbox.demo.stage import BROKEN, GOOD, RELEASE, Stage
from helm_safe.sandbox.network import free_ports
from helm_safe.sandbox.pins import ARGO_ROLLOUTS, FLAGGER, HELM4
from helm_safe.sandbox.programs import Programs

RATE, BEFORE, WINDOW = 60.0, 5.0, 110.0
"""Requests a second; seconds of the bad release before the decision; seconds that are measured after it."""
POLITE = ("probes.readinessPath=/healthz", "probes.startup=false")
PODS = 4
PATIENCE = 240.0


@dataclass(frozen=True)
class Result:
    """What one way did to users, from the decision on. calm: seconds until the failing share stays below 1 %."""

    name: str
    typed: str
    calm: float | None
    bad: int
    caused: int
    restored: bool
    requests: int


class Way(Stage):
    """One way back. name: for the table; typed: what a person types; kind: of the object that has the weights."""

    name, typed, kind = "", "", "httproute"

    def prepare(self) -> None:
        """The good version serves everybody."""
        raise NotImplementedError

    def spoil(self) -> None:
        """The bad release, as far as it gets before somebody decides."""
        raise NotImplementedError

    def decide(self) -> None:
        raise NotImplementedError

    def weights(self) -> str:
        """What the route says."""
        spec = json.loads(self.kubectl("get", self.kind, RELEASE, "-o", "json").stdout)["spec"]
        return json.dumps(spec, sort_keys=True)

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", feed=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def until(self, true: Callable[[], bool], words: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name}: waited for {words}")
            time.sleep(0.5)

    def field(self, what: str, path: str) -> str:
        return self.kubectl("get", what, "-o", f"jsonpath={{{path}}}", fails=True).stdout


class Plain(Way):
    name, typed = "`helm rollback`", f"helm rollback {RELEASE} 1"

    def prepare(self) -> None:
        self.deploy(GOOD, *POLITE)

    def spoil(self) -> None:
        self.deploy(BROKEN, *POLITE)

    def decide(self) -> None:
        self.helm("rollback", RELEASE, "1")


class Safe(Plain):
    name, typed = "`helm safe-rollback`", f"helm safe-rollback {RELEASE} 1 --yes --bake 5s"

    def decide(self) -> None:
        policy = self.sandbox.spec.run / "peers.yaml"
        policy.write_text(POLICY, encoding="utf-8")
        self.safe(RELEASE, "1", "--yes", "--bake", "5s", "--policy", str(policy))


class Isolated(Safe):
    """A known-good backend stands beside: the release before, kept by a careful team."""

    name, typed = "`helm safe-rollback isolate`, good pods kept beside", f"helm safe-rollback isolate {RELEASE} --yes"

    def spoil(self) -> None:
        super().spoil()
        labels = {"app": "stable"}
        self.apply(deployment("stable", GOOD, labels), service("stable", labels))
        self.kubectl("rollout", "status", "deployment/stable", "--timeout=90s")
        backends = [{"name": RELEASE, "port": 80, "weight": 100}, {"name": "stable", "port": 80, "weight": 0}]
        patch = [{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": backends}]
        self.kubectl("patch", "httproute", RELEASE, "--type=json", "-p", json.dumps(patch))

    def decide(self) -> None:
        self.safe("isolate", RELEASE, "--yes")


class Argo(Way):
    """The bad release was promoted step by step; `undo` walks the same steps back."""

    name, typed, kind = "Argo Rollouts, `undo`", f"kubectl argo rollouts undo {RELEASE}", "traefikservice"
    last_step = True

    def prepare(self) -> None:
        self.apply(*self.objects(GOOD))
        self.until(lambda: self.phase() == "Healthy", "the Rollout")

    def objects(self, tag: str) -> list[dict[str, Any]]:
        labels = {"app": RELEASE}
        names = ("stable", "canary")
        made = deployment(RELEASE, tag, labels)
        steps: list[dict[str, Any]] = [{"setWeight": 10}, {"pause": {"duration": "5s"}}]
        steps += [{"setWeight": 50}, {"pause": {"duration": "5s"} if self.last_step else {}}]
        canary = {
            "canaryService": "canary",
            "stableService": "stable",
            "trafficRouting": {"traefik": {"weightedTraefikServiceName": RELEASE}},
            "steps": steps,
        }
        spec = {**made["spec"], "strategy": {"canary": canary}}
        services = [{"name": name, "port": 80} for name in names]
        return [
            *(service(name, labels) for name in names),
            {**named("traefik.io/v1alpha1", "TraefikService", RELEASE), "spec": {"weighted": {"services": services}}},
            self.entrance_route(),
            {**named("argoproj.io/v1alpha1", "Rollout", RELEASE), "spec": spec},
        ]

    def spoil(self) -> None:
        self.image(BROKEN)
        if self.last_step:
            self.until(lambda: self.all_updated() and self.phase() == "Healthy", "the promotion")
        else:
            self.until(lambda: self.phase() == "Paused" and self.step() == "3", "the pause at 50 %")

    def decide(self) -> None:
        self.image(GOOD)

    def image(self, tag: str) -> None:
        """What `undo` does too: the older template is written into the Rollout."""
        patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image_of(tag)}]
        self.kubectl("patch", f"rollout/{RELEASE}", "--type=json", "-p", json.dumps(patch))

    def phase(self) -> str:
        return self.field(f"rollout/{RELEASE}", ".status.phase")

    def step(self) -> str:
        return self.field(f"rollout/{RELEASE}", ".status.currentStepIndex")

    def all_updated(self) -> bool:
        hashes = (".status.stableRS", ".status.currentPodHash")
        stable, newest = (self.field(f"rollout/{RELEASE}", path) for path in hashes)
        return (
            bool(stable)
            and stable == newest
            and self.field(f"rollout/{RELEASE}", ".status.updatedReplicas") == str(PODS)
        )

    def entrance_route(self) -> dict[str, Any]:
        target = {"kind": "TraefikService", "name": RELEASE}
        rule = {"match": f"Host(`{self.host}`)", "kind": "Rule", "services": [target]}
        return {**named("traefik.io/v1alpha1", "IngressRoute", RELEASE), "spec": {"routes": [rule]}}


class ArgoAbort(Argo):
    """The bad release is still a canary with half of the users."""

    name, typed = "Argo Rollouts, `abort` of a canary at 50 %", f"kubectl argo rollouts abort {RELEASE}"
    last_step = False

    def decide(self) -> None:
        patch = json.dumps({"status": {"abort": True}})
        self.kubectl("patch", f"rollout/{RELEASE}", "--subresource=status", "--type=merge", "-p", patch)


class Flagger(Argo):
    """The bad release was promoted; the older image is a new canary to Flagger."""

    name, typed, kind = "Flagger, the older image again", "kubectl set image deployment …", "traefikservice"
    promoted = True

    def prepare(self) -> None:
        self.apply(*self.objects(GOOD))
        self.until(lambda: self.phase() == "Initialized", "the Canary")

    def objects(self, tag: str) -> list[dict[str, Any]]:
        analysis = {"interval": "5s", "threshold": 5, "maxWeight": 50, "stepWeight": 25, "metrics": []}
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": RELEASE}
        spec = {
            "provider": "traefik",
            "targetRef": target,
            "service": {"port": 80, "targetPort": 8080},
            "analysis": analysis,
            "progressDeadlineSeconds": 120,
        }
        return [
            deployment(RELEASE, tag, {"app": RELEASE}),
            {**named("flagger.app/v1beta1", "Canary", RELEASE), "spec": spec},
            self.entrance_route(),
        ]

    def spoil(self) -> None:
        self.image(BROKEN)
        if self.promoted:
            self.until(lambda: self.phase() == "Succeeded", "the promotion")
        else:
            self.until(lambda: self.field(f"canary/{RELEASE}", ".status.canaryWeight") == "50", "50 %")

    def image(self, tag: str) -> None:
        self.kubectl("set", "image", f"deployment/{RELEASE}", f"app={image_of(tag)}")

    def phase(self) -> str:
        return self.field(f"canary/{RELEASE}", ".status.phase")


class FlaggerRevert(Flagger):
    name = "Flagger, the older image while the canary has 50 %"
    promoted = False


WAYS: dict[str, type[Way]] = {
    "plain": Plain,
    "argo-undo": Argo,
    "flagger": Flagger,
    "safe": Safe,
    "argo-abort": ArgoAbort,
    "flagger-revert": FlaggerRevert,
    "isolate": Isolated,
}


def image_of(tag: str) -> str:
    return f"sandbox/{RELEASE}:{tag}"


def named(api: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}}


def deployment(name: str, tag: str, labels: dict[str, str]) -> dict[str, Any]:
    """The pods of the demo, behind probes that lie."""
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2, "failureThreshold": 2}
    container = {
        "name": "app",
        "image": image_of(tag),
        "ports": [{"containerPort": 8080}],
        "readinessProbe": probe,
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": PODS, "selector": {"matchLabels": labels}, "template": template}
    return {**named("apps/v1", "Deployment", name), "spec": spec}


def service(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {**named("v1", "Service", name), "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}}


@contextmanager
def controllers(sandbox: Sandbox) -> Iterator[None]:
    """Flagger and Argo Rollouts for the time of the block; they speak to the API server alone.

    Each has ports that nobody has: another run may be under way. Raises SystemExit when one does not start.
    """
    programs, logs = Programs(), sandbox.spec.logs
    ports = free_ports(3)
    config = str(sandbox.kubeconfig)
    lines = {
        "flagger": [f"-kubeconfig={config}", "-mesh-provider=traefik", "-log-level=info", f"-port={ports[0]}"],
        "argo-rollouts": [
            f"--kubeconfig={config}",
            "--traefik-api-group=traefik.io",
            "--traefik-api-version=traefik.io/v1alpha1",
            "--leader-elect=false",
            f"--metricsPort={ports[1]}",
            f"--healthzPort={ports[2]}",
        ],
    }
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, flags in lines.items():
            for file in sorted(programs.ensure_definitions(name).iterdir()):
                command = ["kubectl", "apply", "--server-side", "--force-conflicts", "-f", str(file)]
                subprocess.run(command, env={**sandbox.env()}, check=True, capture_output=True)
            with (logs / f"{name}.log").open("ab") as log:
                running[name] = subprocess.Popen([programs.ensure(name), *flags], stdout=log, stderr=log)
        time.sleep(5)
        ended = [name for name, each in running.items() if each.poll() is not None]
        if ended:
            raise SystemExit(f"{', '.join(ended)} ended at once; its log in {logs} says why")
        yield
    finally:
        for each in running.values():
            each.terminate()
            each.wait()


def play(way: Way) -> Result:
    way.kubectl("create", "namespace", way.namespace, fails=True)
    way.prepare()
    way.await_route()
    before = way.weights()
    with way.load(RATE, seconds=2 * PATIENCE + WINDOW) as load:
        time.sleep(BEFORE)
        way.spoil()
        time.sleep(BEFORE)
        decided = time.monotonic()
        way.decide()
        time.sleep(max(0.0, decided + WINDOW - time.monotonic()))
    after = way.weights()
    seen = between(load.requests(), decided, decided + WINDOW)
    way.kubectl("delete", "namespace", way.namespace, "--wait=false")
    return result(way, seen, decided, restored=before == after)


def result(way: Way, seen: list[Request], decided: float, *, restored: bool) -> Result:
    """Failures on anything but the broken version are those of the way back: cold pods, pods that are gone."""
    bad = [each for each in seen if each.failed]
    caused = sum(each.version != BROKEN for each in bad)
    calm = calm_after(seen, decided, decided + WINDOW)
    return Result(way.name, way.typed, calm, len(bad), caused, restored, len(seen))


def table(results: list[Result]) -> str:
    head = "| way back | typed | calm after | bad requests | caused by the way back | route as before |"
    rows = [
        f"| {each.name} | `{each.typed}` | {'not in this run' if each.calm is None else f'{each.calm:.1f} s'} |"
        f" {each.bad} of {each.requests} | {each.caused} | {'yes' if each.restored else 'no'} |"
        for each in results
    ]
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def document(results: list[Result]) -> str:
    """The numbers of the table, with the versions that they belong to."""
    versions = {"helm": HELM4, "argoRollouts": ARGO_ROLLOUTS, "flagger": FLAGGER}
    body = {"versions": versions, "rate": RATE, "window": WINDOW, "ways": [asdict(each) for each in results]}
    return json.dumps(body, indent=2) + "\n"


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="benchmarks.peers", allow_abbrev=False)
    words.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WAYS)}; all where none is said")
    words.add_argument("--json", type=Path, help="file for the numbers")
    return words


def main(args: argparse.Namespace) -> None:
    unknown = set(args.names) - set(WAYS)
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(WAYS)}")
    sandbox = Sandbox.up("peers", say=lambda words: print(words, file=sys.stderr, flush=True), owned=True)
    results = []
    try:
        with controllers(sandbox):
            for name in args.names or WAYS:
                results.append(play(WAYS[name](sandbox, 4, f"peers-{name}")))
                print(f"{name}: {results[-1]}", file=sys.stderr, flush=True)
                if args.json:  # what is measured is kept, whatever becomes of the next one
                    args.json.write_text(document(results), encoding="utf-8")
    finally:
        sandbox.down()
    print(f"Helm {HELM4}, Argo Rollouts {ARGO_ROLLOUTS}, Flagger {FLAGGER}\n\n{table(results)}")


if __name__ == "__main__":
    main(parser().parse_args())
