"""A pod's life in virtual time: what the kubelet's documentation and code promise."""

from __future__ import annotations

import asyncio
import itertools

import pytest

READY = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 2}}
STARTUP = {"startupProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 30}}
LIVENESS = {"livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1, "failureThreshold": 3}}


def test_a_pod_gets_an_address_runs_and_becomes_ready(story, pod):
    async def tell(world):
        world.live(pod(**READY))
        await asyncio.sleep(1)
        assert (world.status["phase"], world.status["podIP"]) == ("Running", "10.8.0.1")
        assert world.condition("Ready")["status"] == world.condition("ContainersReady")["status"] == "True"
        assert world.container()["state"]["running"]
        assert ("10.8.0.1", 8080) in world.ports

    story(tell)


def test_nothing_is_written_where_nothing_changes(story, pod):
    async def tell(world):
        life = world.live(pod(**READY))
        await asyncio.sleep(1)
        before = len(world.statuses)
        life.changed()
        await asyncio.sleep(300)
        assert len(world.statuses) == before

    story(tell)


def test_a_cold_pod_without_startup_probe_is_called_ready_while_it_fails(story, pod):
    """The polite probe: /healthz says 200 at once although every request fails for eight seconds."""

    async def tell(world):
        world.live(pod(image="shop/checkout:1-cold", readinessProbe={"httpGet": {"path": "/healthz", "port": 8080}}))
        await asyncio.sleep(30)
        assert world.ready_at() < 1

    story(tell)


def test_a_startup_probe_that_asks_for_the_truth_keeps_a_cold_pod_out_of_traffic(story, pod):
    async def tell(world):
        world.live(pod(image="shop/checkout:1-cold", **STARTUP, **READY))
        await asyncio.sleep(30)
        assert 8 <= world.ready_at() <= 9.1
        kinds = [kind for at, kind in world.probes if at < world.ready_at()]
        assert kinds[:-1] == ["startup"] * len(kinds[:-1]), "other probes wait for the startup probe"
        assert world.container()["restartCount"] == 0

    story(tell)


def test_initial_delay_and_period_of_readiness(story, pod):
    async def tell(world):
        probe = {"httpGet": {"path": "/ready", "port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 10}
        world.live(pod(readinessProbe=probe))
        await asyncio.sleep(35)
        assert [at for at, _ in world.probes] == [10, 20, 30]

    story(tell)


def test_a_failed_startup_probe_restarts_the_container(story, pod):
    async def tell(world):
        failing = {"startupProbe": {**STARTUP["startupProbe"], "failureThreshold": 3}}
        world.live(pod(annotations={"ready-after": "1h"}, **failing))
        await asyncio.sleep(3.5)
        assert world.container()["restartCount"] == 1
        assert world.container()["lastState"]["terminated"]["exitCode"] == 143
        assert "Killing" in world.reasons()
        assert "Unhealthy" in world.reasons()

    story(tell)


def test_liveness_counts_consecutive_failures_only(story, pod):
    async def tell(world):
        from helm_safe.sandbox.agent.probes import Outcome

        world.outcome = lambda probe, now: Outcome.SUCCESS if int(now) % 3 == 0 else Outcome.FAILURE
        world.live(pod(**LIVENESS))
        await asyncio.sleep(60)
        assert world.container()["restartCount"] == 0
        world.outcome = lambda probe, now: Outcome.FAILURE
        await asyncio.sleep(4)
        assert world.container()["restartCount"] == 1

    story(tell)


def test_restarts_back_off_as_the_kubelets_do(story, pod):
    """Immediately, then 10, 20, 40, 80, 160 and at most 300 seconds; each run lasts half a second."""

    async def tell(world):
        world.live(pod(annotations={"role": "crash"}))
        await asyncio.sleep(1500)
        starts = [at for at, reason, _ in world.events if reason == "Started"]
        waits = [round(later - earlier - 0.5) for earlier, later in itertools.pairwise(starts)]
        assert waits[:8] == [0, 10, 20, 40, 80, 160, 300, 300]

    story(tell)


def test_crash_loop_is_told_with_the_last_exit(story, pod):
    async def tell(world):
        world.live(pod(annotations={"role": "crash", "exit-code": "3"}))
        await asyncio.sleep(5)
        found = world.container()
        assert found["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert found["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=app")
        assert found["lastState"]["terminated"]["exitCode"] == 3
        assert (found["restartCount"], world.status["phase"]) == (1, "Running")

    story(tell)


def test_a_container_killed_for_memory_says_so(story, pod):
    async def tell(world):
        world.live(pod(annotations={"role": "oom"}))
        await asyncio.sleep(5)
        ended = world.container()["lastState"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")

    story(tell)


def test_a_registry_that_does_not_answer_is_told_in_its_words(story, pod):
    async def tell(world):
        world.live(pod(annotations={"pull-error": "dial tcp 10.0.0.9:443: i/o timeout"}))
        await asyncio.sleep(5)
        waiting = world.container()["state"]["waiting"]
        assert waiting["reason"] == "ImagePullBackOff"
        assert waiting["message"].endswith("dial tcp 10.0.0.9:443: i/o timeout")

    story(tell)


def test_the_restart_back_off_can_be_shortened(story, pod):
    async def tell(world):
        world.live(pod(annotations={"role": "crash", "restart-backoff": "1"}))
        await asyncio.sleep(10)
        assert world.container()["restartCount"] >= 3

    story(tell)


def test_a_clean_end_of_a_job_is_success(story, pod):
    async def tell(world):
        world.live(pod(image="shop/checkout:1-cold", spec={"restartPolicy": "Never"}))
        await asyncio.sleep(2)
        assert world.status["phase"] == "Succeeded"
        assert world.condition("Ready")["reason"] == "PodCompleted"
        assert not world.ports

    story(tell)


def test_a_failed_job_pod_is_failed_once_or_restarted_as_its_policy_says(story, pod):
    async def tell(world):
        world.live(pod(annotations={"role": "crash"}, spec={"restartPolicy": "Never"}))
        await asyncio.sleep(2)
        assert (world.status["phase"], world.container()["restartCount"]) == ("Failed", 0)
        world.live(pod(annotations={"role": "crash"}, spec={"restartPolicy": "OnFailure"}, uid="u2"))
        await asyncio.sleep(2)
        assert (world.status["phase"], world.container()["restartCount"]) == ("Running", 1)

    story(tell)


# The end


def deleted_after(world, life, began):
    return world.removed[0][0] - began


def test_by_default_a_deleted_pod_stops_listening_at_once(story, pod, deletion):
    async def tell(world):
        life = world.live(pod())
        await asyncio.sleep(1)
        life.update(deletion(life.pod))
        await asyncio.sleep(0.01)
        assert not world.ports
        await asyncio.sleep(1)
        assert world.removed
        assert world.container()["state"]["terminated"]["exitCode"] == 143
        assert world.condition("Ready")["status"] == "False"

    story(tell)


@pytest.mark.parametrize(
    ("hook", "waits"),
    [
        ({"sleep": {"seconds": 5}}, 5),
        ({"exec": {"command": ["sleep", "4"]}}, 4),
        ({"exec": {"command": ["sh", "-c", "nginx -s quit; sleep 3"]}}, 3),
        ({"exec": {"command": ["true"]}}, 0),
    ],
)
def test_the_pod_answers_during_pre_stop_and_shutdown_and_is_gone_afterwards(story, pod, deletion, hook, waits):
    async def tell(world):
        life = world.live(pod(annotations={"shutdown-seconds": "2"}, lifecycle={"preStop": hook}, **READY))
        await asyncio.sleep(1)
        began = world.clock.now()
        life.update(deletion(life.pod))
        await asyncio.sleep(waits + 1.9)
        assert world.ports
        assert world.condition("Ready")["status"] == "True", "readiness goes on telling the truth while it ends"
        await asyncio.sleep(0.5)
        assert not world.ports
        assert world.container()["state"]["terminated"]["exitCode"] == 0
        assert waits + 2 <= deleted_after(world, life, began) < waits + 2.2

    story(tell)


def test_a_pre_stop_request_is_sent(story, pod, deletion):
    async def tell(world):
        life = world.live(pod(lifecycle={"preStop": {"httpGet": {"path": "/drain", "port": 8080}}}))
        await asyncio.sleep(1)
        life.update(deletion(life.pod))
        await asyncio.sleep(1)
        assert [path for _, path in world.hooks] == ["/drain"]

    story(tell)


def test_who_outstays_the_grace_period_is_killed(story, pod, deletion):
    async def tell(world):
        life = world.live(pod(annotations={"shutdown-seconds": "60"}))
        await asyncio.sleep(1)
        began = world.clock.now()
        life.update(deletion(life.pod, grace=5))
        await asyncio.sleep(20)
        assert 5 <= deleted_after(world, life, began) < 5.3
        assert world.container()["state"]["terminated"]["exitCode"] == 137

    story(tell)


def test_a_hook_longer_than_the_grace_period_leaves_two_seconds(story, pod, deletion):
    async def tell(world):
        hook = {"preStop": {"sleep": {"seconds": 60}}}
        life = world.live(pod(annotations={"shutdown-seconds": "60"}, lifecycle=hook))
        await asyncio.sleep(1)
        began = world.clock.now()
        life.update(deletion(life.pod, grace=5))
        await asyncio.sleep(20)
        assert 7 <= deleted_after(world, life, began) < 7.3

    story(tell)


def test_a_forced_deletion_cuts_everything(story, pod, deletion):
    async def tell(world):
        life = world.live(pod(annotations={"shutdown-seconds": "60"}))
        await asyncio.sleep(1)
        life.update(deletion(life.pod, grace=60))
        await asyncio.sleep(1)
        life.gone()
        await asyncio.sleep(0.1)
        assert not world.ports
        assert world.lives[0][1].done()
        assert not world.removed

    story(tell)


def test_a_pod_deleted_in_its_back_off_goes_at_once(story, pod, deletion):
    async def tell(world):
        life = world.live(pod(annotations={"role": "crash"}))
        await asyncio.sleep(5)
        life.update(deletion(life.pod))
        await asyncio.sleep(1)
        assert world.removed

    story(tell)


# Before the start


def test_a_missing_secret_keeps_the_container_from_being_created(story, pod):
    async def tell(world):
        env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "pay", "key": "token"}}}]
        world.live(pod(env=env))
        await asyncio.sleep(3)
        waiting = world.container()["state"]["waiting"]
        assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "pay" not found'}
        world.objects["/api/v1/namespaces/shop/secrets/pay"] = {"data": {"token": "eA=="}}
        await asyncio.sleep(3)
        assert world.container()["state"]["running"]

    story(tell)


def test_a_missing_key_is_told_and_an_optional_one_is_not_missed(story, pod):
    async def tell(world):
        world.objects["/api/v1/namespaces/shop/configmaps/conf"] = {"data": {"a": "1"}}
        ref = {"name": "conf", "key": "b"}
        world.live(pod(env=[{"name": "B", "valueFrom": {"configMapKeyRef": ref}}]))
        await asyncio.sleep(1)
        assert world.container()["state"]["waiting"]["message"] == "couldn't find key b in ConfigMap shop/conf"
        world.live(pod(uid="u2", env=[{"name": "B", "valueFrom": {"configMapKeyRef": {**ref, "optional": True}}}]))
        await asyncio.sleep(1)
        assert world.container()["state"]["running"]

    story(tell)


def test_a_missing_volume_source_keeps_the_pod_creating(story, pod):
    async def tell(world):
        world.live(pod(spec={"volumes": [{"name": "v", "configMap": {"name": "conf"}}]}))
        await asyncio.sleep(1)
        assert world.container()["state"]["waiting"]["reason"] == "ContainerCreating"
        said = 'MountVolume.SetUp failed for volume "v" : configmap "conf" not found'
        assert ("FailedMount", said) in [event[1:] for event in world.events]
        assert "podIP" not in world.status

    story(tell)


def test_an_image_that_nobody_has_is_pulled_in_vain(story, pod):
    async def tell(world):
        world.live(pod(image="shop/checkout:missing"))
        await asyncio.sleep(0.5)
        assert world.container()["state"]["waiting"]["reason"] == "ErrImagePull"
        await asyncio.sleep(5)
        assert world.container()["state"]["waiting"]["reason"] == "ImagePullBackOff"
        assert world.status["phase"] == "Pending"

    story(tell)


def test_configuration_alone_can_break_a_pod(story, pod):
    async def tell(world):
        world.objects["/api/v1/namespaces/shop/configmaps/conf"] = {"data": {"SANDBOX_ROLE": "broken"}}
        world.live(pod(envFrom=[{"configMapRef": {"name": "conf"}}]))
        await asyncio.sleep(1)
        assert world.ports["10.8.0.1", 8080].answering.answer("GET", "/", 1).status == 500

    story(tell)


def test_init_containers_run_in_order_and_a_failed_one_stops_the_pod(story, pod):
    async def tell(world):
        inits = [{"name": "one", "image": "x:1"}, {"name": "two", "image": "x:1-crash"}]
        world.live(pod(spec={"initContainers": inits, "restartPolicy": "Never"}))
        await asyncio.sleep(1)
        assert world.status["phase"] == "Failed"
        assert world.container("one")["state"]["terminated"]["reason"] == "Completed"
        assert world.container("app")["state"]["waiting"]["reason"] == "ContainerCreating"
        assert world.condition("Initialized")["status"] == "False"

    story(tell)


def test_a_sidecar_starts_before_and_ends_after_the_main_containers(story, pod, deletion):
    async def tell(world):
        proxy = {"name": "proxy", "image": "mesh:1", "restartPolicy": "Always", "ports": [{"containerPort": 9000}]}
        life = world.live(pod(spec={"initContainers": [proxy]}, ports=[{"containerPort": 8080}]))
        await asyncio.sleep(1)
        assert set(world.ports) == {("10.8.0.1", 9000), ("10.8.0.1", 8080)}
        annotated = {"sandbox.helm-safe.dev/shutdown-seconds.app": "3"}
        life.update({**life.pod, "metadata": {**life.pod["metadata"], "annotations": annotated}})
        life.update(deletion(life.pod))
        await asyncio.sleep(2)
        assert set(world.ports) == {("10.8.0.1", 9000), ("10.8.0.1", 8080)}
        await asyncio.sleep(2)
        assert not world.ports
        assert world.removed

    story(tell)


def test_readiness_gates_are_part_of_ready(story, pod):
    async def tell(world):
        life = world.live(pod(spec={"readinessGates": [{"conditionType": "lb"}]}))
        await asyncio.sleep(1)
        assert world.condition("Ready")["reason"] == "ReadinessGatesNotReady"
        assert world.condition("ContainersReady")["status"] == "True"
        life.update({**life.pod, "status": {"conditions": [{"type": "lb", "status": "True"}]}})
        await asyncio.sleep(1)
        assert world.condition("Ready")["status"] == "True"

    story(tell)


def test_two_containers_on_one_port_meet_as_they_would(story, pod):
    async def tell(world):
        other = {"name": "other", "image": "x:1", "ports": [{"containerPort": 8080}]}
        made = pod(ports=[{"containerPort": 8080}])
        made["spec"]["containers"].append(other)
        world.live(made)
        await asyncio.sleep(5)
        assert world.container("app")["state"]["running"]
        assert world.container("other")["lastState"]["terminated"]["exitCode"] == 1

    story(tell)


def test_an_agent_that_starts_again_keeps_addresses_and_counts_a_restart(story, pod):
    async def tell(world):
        known = {"name": "app", "containerID": "sandbox://1", "restartCount": 2, "state": {"running": {}}}
        made = pod()
        made["status"] = {"phase": "Running", "podIP": "10.8.0.77", "containerStatuses": [known]}
        world.live(made)
        await asyncio.sleep(1)
        assert world.status["podIP"] == "10.8.0.77"
        assert world.container()["restartCount"] == 3
        assert world.container()["lastState"]["terminated"]["exitCode"] == 255

    story(tell)


def test_a_lost_write_is_made_again(story, pod):
    from helm_safe.sandbox.agent.api import ApiError

    async def tell(world):
        written = world.write_status
        failures = [ApiError(503, "busy"), ConnectionResetError("gone")]

        async def flaky(target, status):
            if failures:
                raise failures.pop()
            await written(target, status)

        world.write_status = flaky
        world.live(pod())
        await asyncio.sleep(1)
        assert world.status["phase"] == "Running"

    story(tell)
