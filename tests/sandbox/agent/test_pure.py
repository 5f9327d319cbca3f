"""Back-off, addresses, reading of pods, roles, answers, logs and kubeconfigs."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from random import Random

import pytest

from helm_safe.sandbox.agent import kubeconfig, logs, podspec, roles
from helm_safe.sandbox.agent.addresses import Addresses, Exhausted
from helm_safe.sandbox.agent.answers import Answering
from helm_safe.sandbox.agent.backoff import BackOff, seconds
from helm_safe.sandbox.agent.probing import sleep_of
from helm_safe.sandbox.agent.roles import Role, behaviour


def test_the_back_off_starts_again_after_twice_its_cap():
    wait = BackOff(10, 300)
    for _ in range(4):
        wait.advance(100)
    assert wait.remaining(100, 100) == 80
    assert wait.remaining(701, 701) == 0
    wait.advance(701)
    assert wait.remaining(702, 702) == 10


@pytest.mark.parametrize(("wait", "text"), [(10, "10s"), (160, "2m40s"), (300, "5m0s"), (0.5, "500ms")])
def test_waits_are_written_as_go_writes_them(wait, text):
    assert seconds(wait) == text


def test_addresses_are_unique_and_rest_before_they_are_used_again():
    pool = Addresses("10.8.0.0/30", quarantine=60)
    one, two, three = (pool.take(0) for _ in range(3))
    assert {one, two, three} == {"10.8.0.1", "10.8.0.2", "10.8.0.3"}
    pool.give_back(two, 10)
    with pytest.raises(Exhausted):
        pool.take(69)
    assert pool.take(70) == two


@pytest.mark.parametrize("address", ["10.9.0.1", "10.8.0", "x", "10.8.0.999", ""])
def test_an_address_from_elsewhere_is_not_claimed(address):
    assert not Addresses("10.8.0.0/16").claim(address)


def test_a_claimed_address_is_not_handed_out():
    pool = Addresses("10.8.0.0/30")
    assert pool.claim("10.8.0.1")
    assert not pool.claim("10.8.0.1")
    assert pool.take(0) == "10.8.0.2"


def container(image="shop/api:1", **body):
    pod = {"metadata": {}, "spec": {"containers": [{"name": "app", "image": image, **body}]}}
    return podspec.container_specs(pod)[0]


def test_ports_are_found_by_number_name_and_number_in_text():
    spec = container(ports=[{"name": "http", "containerPort": 8081}, {"containerPort": 53, "protocol": "UDP"}])
    assert [spec.port(each) for each in ("http", 9000, "9000", "nope", True, 0, None)] == [
        8081, 9000, 9000, None, None, None, None,
    ]  # fmt: skip
    assert [each.number for each in spec.ports] == [8081]


def test_without_any_declared_port_the_first_main_container_listens_on_8080():
    assert [each.number for each in container().ports] == [8080]


def test_annotations_for_one_container_do_not_reach_another_and_init_containers_hear_their_own_only():
    annotations = {
        "sandbox.helm-safe.dev/role": "cold",
        "sandbox.helm-safe.dev/role.app": "broken",
        "sandbox.helm-safe.dev/exit-code.init": "2",
        "else": "x",
    }
    pod = {"metadata": {"annotations": annotations}}
    pod["spec"] = {"containers": [{"name": "app"}, {"name": "b"}], "initContainers": [{"name": "init"}]}
    init, app, other = podspec.container_specs(pod)
    assert podspec.parameters(pod, app) == {"role": "broken"}
    assert podspec.parameters(pod, other) == {"role": "cold"}
    assert podspec.parameters(pod, init) == {"exit-code": "2"}


@pytest.mark.parametrize(
    ("image", "role", "rate", "cold"),
    [
        ("shop/api:1", Role.GOOD, 1.0, 8),
        ("shop/api:1-cold", Role.COLD, 1.0, 8),
        ("shop/api:1-cold-20", Role.COLD, 1.0, 20),
        ("shop/api:2-broken-30", Role.BROKEN, 0.3, 8),
        ("registry:5000/broken/api", Role.GOOD, 1.0, 8),
        ("registry:5000/api:2.1-broken@sha256:00", Role.BROKEN, 1.0, 8),
        ("api:1-schema-mismatch", Role.SCHEMA_MISMATCH, 1.0, 8),
        ("api:unbroken", Role.GOOD, 1.0, 8),
    ],
)
def test_the_image_tag_alone_tells_the_role(image, role, rate, cold):
    found = behaviour(image, {})
    assert (found.role, found.error_rate, found.cold_seconds) == (role, rate, cold)


def test_annotations_win_over_the_tag_and_nonsense_counts_as_absent():
    found = behaviour("api:1-broken-30", {"role": "cold", "cold-seconds": "2m", "error-rate": "many", "latency": "-1s"})
    assert (found.role, found.cold_seconds, found.error_rate, found.latency) == (Role.COLD, 120, 1.0, 0)
    assert behaviour("api:1", {"role": "god"}).role is Role.GOOD


def test_a_job_of_a_serving_image_ends_and_one_of_a_crashing_image_crashes():
    assert behaviour("api:1-cold", {}, ends=True).role is Role.EXIT
    assert behaviour("api:1-crash", {}, ends=True).exit_code == 1
    assert behaviour("api:1", {"role": "good"}, ends=True).exit_after is None


@pytest.mark.parametrize(("image", "gone"), [("a:missing", True), ("a:2-missing", True), ("missing:1", False)])
def test_missing_images(image, gone):
    assert roles.missing(image, {}) is gone
    assert roles.missing(image, {"image-missing": "true"})


def answering(image, **given):
    return Answering(behaviour(image, {key.replace("_", "-"): value for key, value in given.items()}), 100.0, Random(1))


def test_a_broken_container_fails_its_share_and_says_so_in_its_log():
    found = [answering("a:1").answer("GET", "/", 100)]
    broken = answering("a:2-broken-30")
    found = [broken.answer("GET", "/pay", 100) for _ in range(2000)]
    failed = [each for each in found if each.status == 500]
    assert 0.27 < len(failed) / len(found) < 0.33
    assert all(each.log.startswith("ERROR") for each in failed)
    assert broken.answer("GET", "/healthz", 100).status == 200, "polite"
    assert broken.answer("GET", "/ready", 100).status == 200


def test_a_cold_container_lies_to_the_polite_probe_and_not_to_the_other():
    cold = answering("a:1-cold-6")
    assert cold.answer("GET", "/healthz", 101).status == 200
    assert cold.answer("GET", "/ready", 101).status == 503
    work = cold.answer("GET", "/pay", 105.9)
    assert (work.status, work.delay) == (503, 1.0)
    assert cold.answer("GET", "/pay", 106).status == cold.answer("GET", "/ready", 106).status == 200


def test_cold_requests_warm_it_up():
    cold = answering("a:1-cold", cold_requests="3", cold_latency="200ms")
    found = [cold.answer("GET", "/pay", 1000) for _ in range(4)]
    assert [each.status for each in found] == [503, 503, 503, 200]
    assert found[0].delay == 0.2


def test_a_broken_process_serves_and_fails_by_turns():
    own = answering("a:1-broken", turns="20s")
    found = [own.answer("GET", "/pay", now).status for now in (100, 119.9, 120, 139.9, 140, 160)]
    assert found == [200, 200, 500, 500, 200, 500]


def test_ready_after_holds_every_health_endpoint_back():
    late = answering("a:1", ready_after="5s")
    assert [late.answer("GET", path, 104).status for path in ("/healthz", "/ready", "/pay")] == [503, 503, 200]
    assert late.answer("GET", "/healthz", 105).status == 200


def test_a_schema_mismatch_is_told_in_answers_and_logs():
    found = answering("a:1-schema-mismatch").answer("GET", "/orders", 100)
    assert found.status == 500
    assert all("42703" in text and "legacy_total" in text for text in (found.message, found.log))


def test_request_paths_cannot_forge_log_lines():
    log = answering("a:1-broken").answer("GET", "/x\n2026 INFO all is well\x1b[2J", 100).log
    assert log.isprintable()


@pytest.mark.parametrize(
    ("command", "wait"), [(["sleep", "5"], 5), (["sh", "-c", "x; sleep 1m"], 60), (["nosleep"], 0), (None, 0), ("x", 0)]
)
def test_sleeps_of_exec_hooks(command, wait):
    assert sleep_of(command) == wait


class At:
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def wall(self):
        self.moment += timedelta(seconds=1)
        return self.moment


def test_logs_are_tailed_cut_by_time_and_stamped(tmp_path):
    log = logs.Logs(tmp_path, At()).open("ns", "uid", "app", 0)
    for number in range(5):
        log.write(f"line {number}")
    data = log.path.read_bytes()
    assert list(logs.lines(data, tail=2)) == [b"line 3\n", b"line 4\n"]
    assert list(logs.lines(data, tail=0)) == []
    since = datetime(2026, 1, 1, 0, 0, 4, tzinfo=timezone.utc)
    assert next(iter(logs.lines(data, since=since, stamps=True))) == b"2026-01-01T00:00:04.000000Z line 3\n"


def test_a_log_is_bounded_and_keeps_whole_lines_of_its_end(tmp_path):
    log = logs.Log(tmp_path / "0.log", At(), limit=1000)
    for number in range(200):
        log.write(f"line {number}")
    found = log.path.read_text().splitlines()
    assert log.path.stat().st_size <= 1000
    assert found[-1].endswith("line 199")
    assert all(line.startswith("2026-01-01T") for line in found)


def test_only_the_last_two_runs_are_kept(tmp_path):
    found = logs.Logs(tmp_path, At())
    for restart in range(4):
        found.open("ns", "uid", "app", restart).write("x")
    kept = sorted(path.name for path in found.path("ns", "uid", "app", 0).parent.iterdir())
    assert kept == ["2.log", "3.log"]
    found.remove("ns", "uid")
    assert not list(tmp_path.rglob("*.log"))


@pytest.mark.parametrize("name", ["../../etc", "/etc", "..", ".", "", "a/b"])
def test_names_cannot_leave_the_folder(tmp_path, name):
    path = logs.Logs(tmp_path, At()).path(name, name, name, 0)
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert len(path.relative_to(tmp_path).parts) == 4


KUBECONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: s, user: a}}]
clusters: [{name: s, cluster: {server: "https://10.0.0.2:6443/", certificate-authority-data: %s, tls-server-name: kubernetes}}]
users: [{name: a, user: {token: secret}}]
"""


def test_the_kubeconfig_gives_server_token_and_authority(tmp_path):
    path = tmp_path / "config"
    path.write_text(KUBECONFIG % base64.b64encode(b"PEM").decode())
    found = kubeconfig.read(path)
    assert (found.server, found.token, found.ca_pem, found.server_name) == (
        "https://10.0.0.2:6443", "secret", "PEM", "kubernetes",
    )  # fmt: skip
    assert "secret" not in repr(found)


@pytest.mark.parametrize("text", ["", "[]", "{", "current-context: c", KUBECONFIG % "'***'", KUBECONFIG % "x"])
def test_a_broken_kubeconfig_is_named(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(kubeconfig.KubeconfigError, match="config"):
        kubeconfig.read(path)
