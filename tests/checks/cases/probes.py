"""Worlds of probes that are too short, too polite or too eager, and of how pods are replaced and end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helm_safe.checks import CHECKS
from helm_safe.core.objects import Object
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.registry import resolve
from tests.checks.cases.pods import PORTS, probe, started_in
from tests.checks.world import container, deployment, fires, pod, quiet, service, world

PLAIN = deployment("web", container())


def web(**fields: Any) -> Object:
    return deployment("web", container(**fields))


def command(*words: str, **fields: Any) -> Object:
    return {"exec": {"command": list(words)}, **fields}


def startup(failures: int, **fields: Any) -> Object:
    return web(startupProbe=probe("/ready", failureThreshold=failures), readinessProbe=probe("/ready"), **fields)


@fires("PROBE-003", severity="error", says="kills it after 30 s", evidence="40 to 55 s")
def every_live_pod_needed_longer_than_the_startup_probe() -> Snapshot:
    return world([startup(3)], [startup(30)], started_in(40, 55)).snapshot()


@fires("PROBE-003", severity="warning", says="live pods took 45 s")
def the_startup_probe_leaves_no_room() -> Snapshot:
    return world([startup(6)], [startup(30)], started_in(40, 50)).snapshot()


@fires("PROBE-003", severity="warning")
def readiness_may_come_later_than_the_start() -> Snapshot:
    late = web(startupProbe=probe("/live", failureThreshold=3), readinessProbe=probe("/ready"))
    return world([late], [PLAIN], started_in(40, 50)).snapshot()


@fires("PROBE-003", severity="info")
def live_pods_prove_the_same_probe() -> Snapshot:
    return world([startup(6)], live=started_in(40, 50)).snapshot()


@fires("PROBE-003", severity="warning", says="JVM often needs longer")
def nothing_measured_and_a_slow_stack() -> Snapshot:
    return world([startup(3, image="eclipse-temurin:21")]).snapshot()


@quiet("PROBE-003", "PROBE-004")
def room_enough() -> Snapshot:
    return world([startup(30)], live=started_in(40, 50)).snapshot()


@quiet("PROBE-003")
def nothing_measured_and_no_slow_stack() -> Snapshot:
    return world([startup(3)]).snapshot()


@fires("PROBE-004", severity="warning", says="took up to 700 s", evidence="progressDeadlineSeconds: 600 s")
def live_pods_start_after_the_deadline() -> Snapshot:
    return world([startup(90)], live=started_in(700)).snapshot()


@fires("PROBE-004", severity="warning", says="allows 120 s", evidence="progressDeadlineSeconds: 60 s")
def the_target_s_deadline_is_under_its_budget() -> Snapshot:
    late = deployment("web", container(startupProbe=probe(failureThreshold=12)), progressDeadlineSeconds=60)
    return world([late], [PLAIN]).snapshot()


@fires("PROBE-004", severity="info")
def the_deadline_was_that_short_before() -> Snapshot:
    late = deployment("web", container(startupProbe=probe(failureThreshold=12)), progressDeadlineSeconds=60)
    return world([late]).snapshot()


@fires("PROBE-004", severity="warning", says="this run waits 60 s (--timeout)")
def the_run_would_not_wait_that_long() -> Snapshot:
    return world([startup(30)]).snapshot(settings=Settings(timeout=60))


@quiet("PROBE-004")
def live_pods_are_far_faster_than_the_budget() -> Snapshot:
    return world([startup(300)], live=started_in(5)).snapshot()


@fires("PROBE-006", severity="warning", evidence="liveness: httpGet /ready")
def liveness_asks_for_readiness() -> Snapshot:
    return world([web(livenessProbe=probe("/ready"))], [PLAIN]).snapshot()


@fires("PROBE-006", severity="info", says="in revision 2 as well")
def it_did_so_before() -> Snapshot:
    return world([web(livenessProbe=command("sh", "-c", "redis-cli ping"))]).snapshot()


@fires("PROBE-006", severity="info", says="So do 2 more places", evidence="Container app of Deployment/b")
def many_did_so_before() -> Snapshot:
    bad = container(livenessProbe=probe("/ready"))
    return world([deployment(name, bad) for name in ("a", "b", "c")]).snapshot()


@fires("PROBE-006", severity="warning", evidence="liveness: exec mysqladmin")
def the_password_of_a_probe_is_not_told() -> Snapshot:
    told = world([web(livenessProbe=command("sh", "-c", "mysqladmin ping -phunter2"))], [PLAIN]).snapshot()
    assert all("hunter2" not in repr(each) for each in resolve(CHECKS["PROBE-006"]).run(told))
    return told


@quiet("PROBE-006")
def liveness_asks_the_process() -> Snapshot:
    return world([web(livenessProbe=probe("/livez"))], [PLAIN]).snapshot()


@quiet("PROBE-006")
def the_same_probe_is_another_finding() -> Snapshot:
    return world([web(livenessProbe=probe("/ready"), readinessProbe=probe("/ready"))], [PLAIN]).snapshot()


def polite(ready: Object, **fields: Any) -> Snapshot:
    return world([web(readinessProbe=ready, **PORTS, **fields), service()], [PLAIN, service()]).snapshot()


@fires("PROBE-007", severity="warning", says="always succeeds")
def a_command_that_cannot_fail() -> Snapshot:
    return polite(command("/bin/true"))


@fires("PROBE-007", says="as soon as its port is open")
def an_open_port_of_a_web_application() -> Snapshot:
    return polite({"tcpSocket": {"port": "http"}})


@fires("PROBE-007", says="answers /")
def the_front_page() -> Snapshot:
    return polite(probe("/"))


@fires("PROBE-007", says="keeps its users for 121 s")
def a_broken_pod_keeps_its_users() -> Snapshot:
    return polite(probe("/ready", periodSeconds=30, failureThreshold=4))


@quiet("PROBE-007")
def readiness_of_its_own() -> Snapshot:
    return polite(probe("/ready"))


@quiet("PROBE-007")
def a_server_of_files() -> Snapshot:
    return polite(probe("/"), image="nginx:1.27")


@quiet("PROBE-007")
def a_port_that_speaks_no_http() -> Snapshot:
    raw = container(readinessProbe={"tcpSocket": {"port": 6379}}, ports=[{"name": "redis", "containerPort": 6379}])
    return world([deployment("web", raw), service(target=6379)], [PLAIN]).snapshot()


@quiet("PROBE-007")
def a_heartbeat_file_without_users() -> Snapshot:
    return world([web(readinessProbe=command("true"))], [PLAIN]).snapshot()


@fires("PROBE-008", severity="warning", says="waits 60 s before its first livenessProbe, at every start")
def a_fixed_delay() -> Snapshot:
    return world([web(livenessProbe=probe(initialDelaySeconds=60))], [PLAIN]).snapshot()


@quiet("PROBE-008")
def a_short_delay_beside_a_startup_probe() -> Snapshot:
    both = {"startupProbe": probe(failureThreshold=30), "livenessProbe": probe(initialDelaySeconds=15)}
    return world([web(**both)], [PLAIN]).snapshot()


@fires("PROBE-009", severity="warning", evidence="stack: JVM")
def one_second_for_a_jvm() -> Snapshot:
    return world([web(image="eclipse-temurin:21", livenessProbe=probe())], [PLAIN]).snapshot()


@fires("PROBE-009", severity="info", evidence="exec probe")
def one_second_for_a_command_as_before() -> Snapshot:
    return world([web(livenessProbe=command("check"))]).snapshot()


@quiet("PROBE-009")
def one_second_for_a_fast_server() -> Snapshot:
    return world([web(livenessProbe=probe())], [PLAIN]).snapshot()


@quiet("PROBE-009")
def three_seconds_for_a_jvm() -> Snapshot:
    return world([web(image="eclipse-temurin:21", livenessProbe=probe(timeoutSeconds=3))], [PLAIN]).snapshot()


@fires("PROBE-010", severity="warning", says="waits up to 10 s")
def the_timeout_exceeds_the_period() -> Snapshot:
    return world([web(readinessProbe=probe(periodSeconds=5, timeoutSeconds=10))], [PLAIN]).snapshot()


@quiet("PROBE-010")
def the_timeout_equals_the_period() -> Snapshot:
    return world([web(readinessProbe=probe(periodSeconds=5, timeoutSeconds=5))], [PLAIN]).snapshot()


@fires("PROBE-013", severity="info", object="Deployment/web")
def pods_count_as_available_at_once() -> Snapshot:
    return world([deployment()]).snapshot()


@fires("PROBE-013", severity="warning")
def the_target_had_no_such_time_yet() -> Snapshot:
    return world([deployment()], [deployment(minReadySeconds=10)]).snapshot()


@quiet("PROBE-013")
def one_pod_or_time_to_prove_itself() -> Snapshot:
    return world([deployment("a", replicas=1), deployment("b", minReadySeconds=10)]).snapshot()


def replaced(**spec: Any) -> Snapshot:
    old, new = container(image="a:1"), container(image="a:2")
    return world([deployment("web", old, **spec)], [deployment("web", new, **spec)]).snapshot()


@fires("PROBE-014", severity="warning", says="stops all 2 pods before the first new one starts")
def all_pods_stop_first() -> Snapshot:
    return replaced(strategy={"type": "Recreate"})


@fires("PROBE-014", severity="warning", says="may take 2 of 4 pods away")
def half_of_the_pods_go_at_once() -> Snapshot:
    return replaced(replicas=4, strategy={"rollingUpdate": {"maxUnavailable": "50%"}})


@fires("PROBE-014", says="may stop its only pod first")
def the_only_pod_goes_first() -> Snapshot:
    return replaced(replicas=1, strategy={"rollingUpdate": {"maxUnavailable": 1}})


@quiet("PROBE-014")
def the_usual_strategy() -> Snapshot:
    return replaced(replicas=1)


@quiet("PROBE-014")
def no_pod_is_replaced() -> Snapshot:
    return world([deployment(strategy={"type": "Recreate"})]).snapshot()


def ending(seconds: int, grace: int | None = None, **fields: Any) -> Snapshot:
    stop = {"preStop": {"exec": {"command": ["sh", "-c", f"sleep {seconds}"]}}}
    spec = {} if grace is None else {"terminationGracePeriodSeconds": grace}
    return world([deployment("web", container(lifecycle=stop, **fields), pod=spec)], [PLAIN]).snapshot()


@fires("PROBE-015", severity="warning", says="wants 30 s to end and gets 30 s")
def the_hook_sleeps_the_whole_grace_period() -> Snapshot:
    return ending(30)


@fires("PROBE-015", says="wants 50 s to end and gets 45 s", evidence="own shutdown: 40 s")
def the_application_wants_more() -> Snapshot:
    return ending(10, 45, env=[{"name": "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", "value": "40s"}])


@quiet("PROBE-015")
def time_enough_to_end() -> Snapshot:
    return ending(10, 45, env=[{"name": "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", "value": "PT30S"}])


PROXY = container("proxy", "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11")


@fires("PROBE-017", severity="warning", says="Container migrate of Deployment/web runs before proxy proxy is up")
def a_migration_before_its_proxy() -> Snapshot:
    init = [container("migrate", args=["alembic", "upgrade", "head"])]
    return world([deployment("web", container(), PROXY, pod={"initContainers": init})], [PLAIN]).snapshot()


@fires("PROBE-017", says="keeps the Job from ever ending")
def a_job_with_a_proxy() -> Snapshot:
    return world([deployment("load", container(), PROXY, kind="Job", group="batch", replicas=None)], []).snapshot()


@quiet("PROBE-017")
def a_native_sidecar() -> Snapshot:
    init = [{**PROXY, "restartPolicy": "Always"}, container("migrate", args=["alembic", "upgrade", "head"])]
    return world([deployment("web", container(), pod={"initContainers": init})], [PLAIN]).snapshot()


@quiet("PROBE-017")
def the_job_tells_it_to_stop() -> Snapshot:
    quits = container(command=["sh", "-c", "load && curl -X POST localhost:9091/quitquitquit"])
    return world([deployment("load", quits, PROXY, kind="Job", group="batch", replicas=None)], []).snapshot()


GATE = {"readinessGates": [{"conditionType": "example.org/registered"}]}


def gated(*pods: Object, current: Object = PLAIN) -> Snapshot:
    return world([deployment("web", pod=GATE)], [current], pods).snapshot()


def waits(*conditions: str) -> Object:
    found = pod(conditions=[{"type": each, "status": "True"} for each in conditions])
    return {**found, "spec": {**found["spec"], **GATE}}


@fires("PROBE-018", severity="warning", evidence="no live pod names this gate")
def nobody_writes_the_condition() -> Snapshot:
    return gated(pod())


@fires("PROBE-018", severity="warning", says="in vain")
def todays_pods_wait_in_vain() -> Snapshot:
    return gated(waits("Ready"), current=deployment("web", pod=GATE))


@fires("PROBE-018", severity="error", says="in vain")
def pods_of_the_target_wait_in_vain() -> Snapshot:
    return gated(waits("Ready"))


@quiet("PROBE-018")
def somebody_writes_the_condition() -> Snapshot:
    return gated(waits("example.org/registered"))


@quiet("PROBE-018")
def pods_were_not_listed() -> Snapshot:
    return replace(gated(pod()), listed=frozenset())


@fires("PROBE-020", severity="warning", says="starts python every 10 s for its readinessProbe")
def an_interpreter_for_each_question() -> Snapshot:
    return world([web(readinessProbe=command("python", "check.py"))], [PLAIN]).snapshot()


@quiet("PROBE-020")
def a_small_program() -> Snapshot:
    return world([web(readinessProbe=command("pg_isready"))], [PLAIN]).snapshot()


@quiet("PROBE-020")
def seldom_is_no_harm() -> Snapshot:
    return world([web(readinessProbe=command("python", "check.py", periodSeconds=60))], [PLAIN]).snapshot()
