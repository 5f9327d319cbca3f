"""Shops for whole runs, one per strategy and way in which a chart can own routes, and what must be true of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helm_safe.core.objects import dig
from helm_safe.journal.lease import current_holder, leave_approval
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.machine import waiting
from helm_safe.model.policy import Annotated, resolve
from helm_safe.model.records import Approval, Progress, fold
from helm_safe.model.revisions import RevisionStatus
from helm_safe.model.settings import Settings
from helm_safe.ports import Cluster
from helm_safe.rollback import control
from helm_safe.rollback.context import Run
from helm_safe.rollback.prepare import Prepared
from tests.fakes.controllers import DEAD, tag_of
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, PODS, Shop, ShopCluster, autoscaler, deployment, route, service, shop, stateful

STABLE, WORKER, STANDBY = f"{NAME}-stable", f"{NAME}-worker", f"{NAME}-standby"


def settings(**flags: Any) -> Settings:
    """What a person asked for, `--yes` included."""
    wanted = {"steps": "10,50,100", "bake": "8s", "timeout": "300s", "warm-up.least": "20"}
    wanted |= {name.replace("_", "-"): value for name, value in flags.items()}
    chosen = resolve(wanted, None, Annotated(0, {}), Annotated(0, {}))
    return Settings(yes=True).settled(chosen)


def begin(made: Shop, show: Callable[[Prepared], None] = lambda _: None, **flags: Any) -> Run:
    return control.start(made.world, RELEASE, 1, settings(**flags), show=show, confirm=lambda _: True)


def progress_of(made: Shop) -> Progress:
    """The newest run by its journal."""
    runs = runs_of(made.cluster, RELEASE)
    return fold(runs[max(runs)])


@dataclass(frozen=True)
class Scene:
    """build: the shop. strategy: what a run takes. routes, scaler: specs at the end, None for those of before. flags:
    of the run; where it waits for approval somebody looks now and then and approves. kind: of the workload.
    """

    strategy: str
    build: Callable[[Path, str], Shop]
    routes: dict[str, Any] | None = None
    scaler: dict[str, Any] | None = None
    flags: dict[str, str] = field(default_factory=dict)
    kind: str = "Deployment"

    def make(self, folder: Path, mode: str) -> Shop:
        made = self.build(folder, mode)
        if "pause_at" in self.flags:
            made.clock.passing.append(Approver(made.cluster))
        return made

    def begin(self, made: Shop) -> Run:
        return begin(made, **self.flags)


@dataclass
class Approver:
    """Somebody who looks after the run every half minute of the clock, and approves what waits."""

    cluster: ShopCluster
    passed: float = 0.0

    def __call__(self, seconds: float) -> None:
        self.passed += seconds
        if self.passed >= 30:
            self.passed = 0.0
            approve(self.cluster)


def approve(cluster: Cluster, by: str = "ann@laptop") -> bool:
    """`promote` of whoever waits for approval; returns whether somebody did."""
    runs = runs_of(cluster, RELEASE)
    progress = fold(runs[max(runs)]) if runs else Progress()
    found = waiting(progress.plan, progress) if progress.plan else None
    if found:
        leave_approval(cluster, RELEASE, Approval(max(runs), found[0], found[1]["since"], by))
    return bool(found)


def charted(folder: Path, mode: str) -> Shop:
    """The chart has the same route in both revisions; the autoscaler is somebody else's."""
    chart = [service(), route()]
    one, two = deployment("1", replicas=None), deployment("2", replicas=None)
    return shop(folder, mode, [one, *chart], [two, *chart], beside=[autoscaler()])


def owned(folder: Path, mode: str) -> Shop:
    """Flux owns the release, and is suspended for the run."""
    marked = service()
    marked["metadata"]["labels"] = {"helm.toolkit.fluxcd.io/name": "shop"}
    metadata = {"name": "shop", "namespace": marked["metadata"]["namespace"]}
    flux = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": metadata, "spec": {"a": 1}}
    chart = [marked, route()]
    one, two = deployment("1", replicas=None), deployment("2", replicas=None)
    return shop(folder, mode, [one, *chart], [two, *chart], beside=[autoscaler(), flux])


WEIGHTED = route(NAME, (NAME, 7), path="/v1")


def differing(folder: Path, mode: str) -> Shop:
    """The chart's route and its autoscaler differ between the revisions."""
    one = [deployment("1", replicas=None), service(), WEIGHTED, autoscaler(1, 6)]
    two = [deployment("2", replicas=None), service(), route(), autoscaler(2, 8)]
    return shop(folder, mode, one, two)


def foreign(folder: Path, mode: str) -> Shop:
    """The route is not in the chart, and a small stranger has a share of it; the chart counts its pods."""
    beside = [route(NAME, (NAME, 3), ("other", 1)), deployment("1", "other", replicas=1), service("other")]
    return shop(folder, mode, [deployment("1"), service()], [deployment("2"), service()], beside=beside)


def known_good(folder: Path, mode: str) -> Shop:
    """A known-good backend serves beside the release's own; the route is in the chart."""
    chart = [service(), route(NAME, (NAME, 100), (STABLE, 0))]
    beside = [deployment("1", STABLE), service(STABLE), autoscaler()]
    one, two = deployment("1", replicas=None), deployment("2", replicas=None)
    return shop(folder, mode, [one, *chart], [two, *chart], beside=beside)


def down(folder: Path, mode: str) -> Shop:
    """The current revision has no ready pod, and the pods of before are gone."""
    one, two = (deployment(tag, strategy={"type": "Recreate"}) for tag in ("1", "2"))
    chart = [service(), route()]
    return shop(folder, mode, [one, *chart], [two, *chart], behaviours={"2": DEAD})


def unrouted(folder: Path, mode: str) -> Shop:
    """Nobody comes by any Service."""
    return shop(folder, mode, [deployment("1")], [deployment("2")])


def by_name(folder: Path, mode: str) -> Shop:
    """No route; users come by the Service's name, and the chart leaves the count of its pods to nobody."""
    one, two = deployment("1", replicas=None), deployment("2", replicas=None)
    return shop(folder, mode, [one, service()], [two, service()], by_name=[NAME])


def by_name_scaled(folder: Path, mode: str) -> Shop:
    """The same with an autoscaler, that fights whoever counts otherwise."""
    chart = [service(), autoscaler()]
    one, two = deployment("1", replicas=None), deployment("2", replicas=None)
    return shop(folder, mode, [one, *chart], [two, *chart], by_name=[NAME])


def counted(folder: Path, mode: str) -> Shop:
    """The chart counts the pods: helm brings all of them up at once."""
    return shop(folder, mode, [deployment("1"), service()], [deployment("2"), service()], by_name=[NAME])


def ordered(folder: Path, mode: str) -> Shop:
    """A StatefulSet behind a Service that users reach by its name."""
    return shop(folder, mode, [stateful("1"), service()], [stateful("2"), service()], by_name=[NAME])


SCENES: dict[str, Scene] = {
    "standby-charted": Scene("standby", charted),
    "standby-differing": Scene("standby", differing, {NAME: WEIGHTED["spec"]}, autoscaler(1, 6)["spec"]),
    "standby-foreign": Scene("standby", foreign),
    "shift": Scene("shift", known_good),
    "standby-approved": Scene("standby", charted, flags={"pause_at": "10,100"}),
    "shift-approved": Scene("shift", known_good, flags={"pause_at": "50,commit"}),
    "standby-owned": Scene("standby", owned, flags={"gitops.sync": "resume"}),
    "express": Scene("express", down),
    "native": Scene("native", unrouted),
    "replicas": Scene("replicas", by_name),
    "replicas-scaled": Scene("replicas", by_name_scaled),
    "replicas-counted": Scene("replicas", counted, flags={"pause_at": "10,commit"}),
    "partition": Scene("partition", ordered, flags={"pause_at": "50,commit"}, kind="StatefulSet"),
}
MODES = ("csa", "ssa")


def assert_restored(made: Shop, scene: Scene) -> None:
    """Revision 1 serves, everything else is as it was, nothing of ours is left but journal and Lease."""
    history = made.world.releases.history(RELEASE)
    assert history.last.status is RevisionStatus.DEPLOYED
    assert history.last.manifest == history.revisions[0].manifest
    assert sum(each.status is RevisionStatus.DEPLOYED for each in history.revisions) == 1
    assert rollbacks(made) == 1 + made.helm.killed
    assert tags(made) == {"1"}
    assert made.spec(scene.kind, NAME)["replicas"] == PODS
    if scene.kind == "StatefulSet":
        assert not dig(made.spec(scene.kind, NAME), "updateStrategy", "rollingUpdate", "partition")
    for name in routes_of(made):
        wanted = (scene.routes or {}).get(name) or made.original("HTTPRoute", name)
        assert made.spec("HTTPRoute", name) == wanted
    assert made.spec("HelmRelease", "shop") in (None, {"a": 1})
    if scaler := made.spec("HorizontalPodAutoscaler", NAME):
        assert scaler == (scene.scaler or made.original("HorizontalPodAutoscaler", NAME))
    assert_tidy(made)


def assert_untouched(made: Shop) -> None:
    """As before the run: revision 2, its pods, its routes; users of a run that isolated stay isolated."""
    assert len(made.world.releases.history(RELEASE).revisions) == 2
    assert made.helm.calls == []
    assert tags(made) == {"2"}
    isolated = progress_of(made).done.get("isolate", {}).get("verdict") == "pass"
    for kind, name in made.originals:
        if isolated and (kind, name) == ("Deployment", NAME):
            continue  # without users it is for the autoscaler to say
        if kind in ("Deployment", "StatefulSet", "Service", "HorizontalPodAutoscaler", "HelmRelease"):
            assert made.spec(kind, name) == made.original(kind, name)
    for name in routes_of(made):
        if isolated:
            assert made.weights(name) == {NAME: 0, STABLE: 100}
        else:
            assert made.spec("HTTPRoute", name) == made.original("HTTPRoute", name)
    assert_tidy(made)


def assert_tidy(made: Shop) -> None:
    assert made.of_role("standby") == []
    assert made.traces() == []
    assert current_holder(made.cluster, RELEASE) is None
    assert_unhurt(made)


def assert_unhurt(made: Shop) -> None:
    """No write of ours sent users where nobody is, and none met a Service without pods."""
    assert made.cluster.hurt == []
    assert made.gateway.stranded == 0 or DEAD in made.controllers.behaviours.values()
    assert rollbacks(made) <= 1 + made.helm.killed
    whole = PODS - 1 if made.spec("StatefulSet", NAME) else PODS  # of those with numbers one at a time is replaced
    assert made.gateway.fewest is None or made.gateway.fewest >= whole


def rollbacks(made: Shop) -> int:
    """How often helm was asked for the target."""
    return [revision for _, revision, _ in made.helm.calls].count(1)


def tags(made: Shop, app: str = NAME) -> set[str]:
    """Image tags of the pods behind the release's own Service."""
    pods = [obj for key, obj in made.cluster.objects.items() if key[1] == "Pod"]
    return {tag_of(pod) for pod in pods if dig(pod, "metadata", "labels", "app") == app}


def routes_of(made: Shop) -> list[str]:
    return [name for kind, name in made.originals if kind == "HTTPRoute"]
