"""The policy: what is valid, who wins, and that the published schema says the same."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helm_safe.checks import CHECKS
from helm_safe.cli.gates import metrics_of
from helm_safe.cli.policy import CONFIG_MAP, KEY, find_policy, parse_policy
from helm_safe.core.findings import Finding, Severity
from helm_safe.core.objects import Object, ObjectRef
from helm_safe.core.yamlio import dump
from helm_safe.metrics.prometheus import PrometheusMetrics
from helm_safe.metrics.scrape import ScrapeMetrics
from helm_safe.model.errors import Forbidden, UsageError
from helm_safe.model.judging import Floors, floors_of
from helm_safe.model.options import OPTIONS, sections
from helm_safe.model.policy import Annotated, Policy, Resolved, annotated, read_policy, resolve
from helm_safe.rollback.warmup import WarmUp, check_variables, wanted_by
from tests.fakes.cluster import FakeCluster, Fault
from tests.fakes.runs import FakeClock

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
NOTHING, BEFORE = Annotated(2, {}), Annotated(1, {})
SCHEMA = json.loads(resources.files("helm_safe.report").joinpath("schemas/policy.json").read_text("utf-8"))
WHOLE = """
apiVersion: helm-safe.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  strategy: standby
  steps: [5, 25, 100]
  pause-at: [25, commit]
  approval: {from: the shop's on-call, timeout: 30m, then: go-on}
  bake: 2m
  drain-wait: 30s
  timeout: 1h
  known-good-after: 2h
  route: HTTPRoute/checkout
  pinned: leave
  gitops: {sync: suspend, namespace: argo}
  in-cluster: {image: example/helm-safe:1, after: 20s}
  unverified: block
  state: {database: secret/shop-db#url, redis: "env:REDIS_URL", kafka: "kafka://broker:9092", registry: auto, timeout: 10s}
  isolate: always
  gates: {success-rate: 99.5%, p95: 800ms, minimum-requests: 200, no-traffic: stop, queries: [{name: queue, query: "depth{a=1}", max: 5}]}
  notifiers:
  - {name: pager, type: pagerduty, secret: {env: PAGERDUTY_ROUTING_KEY}, url: "https://events.eu.pagerduty.com"}
  - {name: chat, type: slack, channel: C0123456789, secret: {file: /run/secrets/slack}}
  - {name: am, type: alertmanager, urls: ["http://am-0:9093", "http://am-1:9093"], labels: {team: shop}}
  - {name: dashboards, type: grafana, url: "https://grafana.example", secret: {ref: secret/grafana#token}, tags: [shop]}
  metrics:
    provider: scrape
    url: https://prometheus.example
    requests: requests of $service
    errors: errors of $service
    lag: 90s
    tls: {ca: /etc/ca.pem, cert: client.pem, key: client.key}
    newrelic: {account: 12345}
    influxdb: {language: sql, org: shop, database: http}
    cloudwatch: {region: eu-west-1}
    tenant: team-a
    gateway: istio
    scrape: {namespace: edge, labels: app=traefik, port: 9100, path: /metrics}
  warm-up:
    {path: /warm, method: PUT, unsafe-methods: allow, headers: {Authorization: Bearer $SHOP}, body: "{}", via: auto,
     rate: 5, concurrency: 2, least: 30, most: 300, slow: 250ms, timeout: 1m}
  severities: {HIST-001: warning}
  waivers:
  - {id: HIST-002, reason: known and harmless, expires: 2026-05-01, object: Deployment/api}
"""


def document(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "helm-safe.dev/v1alpha1", "kind": "RollbackPolicy", "spec": spec}


def read(body: Any) -> Policy:
    return read_policy(body, "policy file p.yaml", CHECKS)


def fits_schema(body: Any) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(json.loads(json.dumps(body)))


# --- the document ---


def test_everything_can_be_said() -> None:
    policy = parse_policy(WHOLE, "policy file p.yaml", CHECKS)
    assert set(policy.values) == set(OPTIONS)
    assert policy.values["gates.success-rate"] == pytest.approx(0.995)
    assert policy.values["steps"] == (5, 25, 100)
    assert policy.values["pause-at"] == (25, "commit")
    assert policy.values["gates.p95"] == pytest.approx(0.8)
    assert policy.severities == {"HIST-001": Severity.WARNING}


def test_the_schema_knows_every_key_and_no_other() -> None:
    def keys(properties: dict[str, Any], start: str = "") -> set[str]:
        found = set()
        for name, body in properties.items():
            nested = body.get("properties")
            found |= keys(nested, f"{start}{name}.") if nested else {f"{start}{name}"}
        return found

    assert keys(SCHEMA["properties"]["spec"]["properties"]) == {*OPTIONS, "severities", "waivers"}


def test_the_schema_takes_the_whole_example() -> None:
    from helm_safe.core.yamlio import load

    assert fits_schema(load(WHOLE))


BROKEN = [
    ("steps", "0,200", "number from 0.01 to 100"),
    ("steps", "50,10,100", "larger than the one before"),
    ("steps", "abc", "number from 0.01"),
    ("steps", [1, 10], "must be 100"),
    ("steps", [], "1 to 20"),
    ("steps", [True, 100], "number from 0.01"),
    ("pause-at", "soon", "steps such as 10,50, or the word commit"),
    ("pause-at", [0], "steps such as"),
    ("pause-at", [True], "steps such as"),
    ("pause-at", [], "1 to 20"),
    ("pause-at", {"10": 1}, "steps such as"),
    ("approval.from", "on\x1b[2Jcall", "words of at most 200"),
    ("approval.timeout", "tomorrow", "not a duration"),
    ("approval.then", "goon", "one of stop, go-on"),
    ("bake", 60, "not a duration"),
    ("bake", "-5s", "from 0 s"),
    ("bake", {"a": 1}, "number or a text"),
    ("strategy", "yolo", "one of auto"),
    ("route", "checkout", "KIND/NAME"),
    ("isolate", True, "one of ask"),
    ("gates.success-rate", 99, "below 1"),
    ("gates.success-rate", "nearly all", "99%"),
    ("gates.success-rate", 1, "below 1"),
    ("gates.p95", "fast", "not a duration"),
    ("gates.minimum-requests", 0, "from 1"),
    ("metrics.url", "https://me:secret@prometheus", "without a password"),
    ("metrics.url", "file:///etc/passwd", "an address"),
    ("metrics.provider", "kubernetes", "one of scrape"),
    ("metrics.scrape.port", 70000, "65535"),
    ("metrics.scrape.namespace", "Not A Name", "namespace"),
    ("warm-up.method", "TRACE", "GET, HEAD"),
    ("warm-up.headers", {"X Y": "1"}, "letters"),
    ("warm-up.headers", {"X": "1\r\nY: 2"}, "one line"),
    ("warm-up.body", 1, "a text"),
    ("warm-up.rate", 0, "from 1 to 100"),
    ("warm-up.path", "ready", "absolute path"),
]


@pytest.mark.parametrize(("key", "value", "words"), BROKEN)
def test_what_cannot_be_used_is_named(key: str, value: Any, words: str) -> None:
    """The key, and what is expected."""
    spec: Any = value
    for name in reversed(key.split(".")):
        spec = {name: spec}
    with pytest.raises(UsageError) as raised:
        read(document(**spec))
    assert f"spec.{key}" in raised.value.message
    assert words in raised.value.message


@pytest.mark.parametrize(("key", "value", "words"), [row for row in BROKEN if row[0] != "steps"])
def test_the_schema_refuses_it_too(key: str, value: Any, words: str) -> None:
    """Except what needs arithmetic, and durations' bounds."""
    spec: Any = value
    for name in reversed(key.split(".")):
        spec = {name: spec}
    assert not fits_schema(document(**spec))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (document(stepps="1,100"), "spec.stepps is not known (did you mean steps?)"),
        (document(gates={"p59": "1s"}), "spec.gates.p59 is not known (did you mean p95?)"),
        (document(metrics={"scrape": {"ports": 1}}), "did you mean port?"),
        (document(severities={"HIST-01": "error"}), "there is no check 'HIST-01' (did you mean HIST-001?)"),
        (document(severities={"HIST-001": "fatal"}), "one of error, warning, info"),
        (document(gates=[]), "spec.gates must be a mapping"),
        (document(waivers={}), "spec.waivers must be a list"),
        (document(waivers=[{"id": "HIST-001", "reason": " ", "expires": "2026-01-01"}]), "waivers[0].reason"),
        (document(waivers=[{"id": "HIST-001", "reason": "x"}]), "waivers[0].expires"),
        (document(waivers=[{"id": "HIST-001", "reason": "x", "expires": "9999-12-31"}]), "waivers[0].expires"),
        (document(waivers=[{"id": "HIST-001", "reason": "x", "expires": "soon"}]), "2026-12-31 is expected"),
        (document(waivers=[{"reason": "x", "expires": "2026-01-01", "until": 1}]), "until is not known"),
        ({"kind": "RollbackPolicy"}, "apiVersion must be helm-safe.dev/v1alpha1"),
        ({**document(), "kind": "Policy"}, "kind must be RollbackPolicy"),
        ({**document(), "steps": [100]}, "steps is not known"),
        (None, "the document must be a mapping"),
        ([], "the document must be a mapping"),
    ],
)
def test_mistakes_are_errors_with_the_nearest_name(body: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(body)
    assert words in raised.value.message


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as raised:
        read(document(bake="x", timeout="y", **{f"a{number}": 1 for number in range(12)}))
    assert raised.value.message.count(";") == 10
    assert raised.value.message.endswith("and 4 more")


def test_hostile_text_is_harmless_in_messages() -> None:
    with pytest.raises(UsageError) as raised:
        read(document(**{"\x1b[2Jevil": 1, "strategy": "\x1b]0;x\x07" + "y" * 500}))
    assert "\x1b" not in raised.value.message
    assert len(raised.value.message) < 600


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*{key.partition(".")[0] for key in OPTIONS}, "severities", "waivers"]), JSON))
def test_any_document_is_read_or_refused(spec: dict[str, Any]) -> None:
    """Nothing else leaves the reader; what it takes, the schema takes."""
    try:
        read(document(**spec))
    except UsageError:
        return
    assert fits_schema(document(**spec)), spec


# --- waivers ---


@pytest.mark.parametrize(
    ("expires", "counts"),
    [
        ("2026-05-01", True),
        ("2026-04-30", False),
        ("2026-05-01T12:00:01Z", True),
        ("2026-05-01T13:00:00+02:00", False),
    ],
)
def test_waivers_expire(expires: str, counts: bool) -> None:
    """A bare day counts until its end; what expired is told."""
    policy = read(document(waivers=[{"id": "HIST-001", "reason": "known", "expires": expires}]))
    finding = Finding("HIST-001", Severity.ERROR, "never applied", "Deployment/api")
    assert policy.waivers[0].covers(finding, NOW) is counts
    assert bool(policy.expired(NOW)) is not counts
    told = f"HIST-001 in policy file p.yaml expired on {expires[:10]} (known)"
    assert counts or told in policy.expired(NOW)[0]


def test_a_waiver_covers_its_check_and_its_object_only() -> None:
    policy = read(document(waivers=[{"id": "HIST-001", "reason": "x", "expires": "2026-05-01", "object": "Job/a"}]))
    finding = Finding("HIST-001", Severity.ERROR, "never applied", "Job/a")
    others = [finding._replace(object="Job/b"), finding._replace(object=""), finding._replace(check="HIST-002")]
    assert [policy.waivers[0].covers(each, NOW) for each in (finding, *others)] == [True, False, False, False]


# --- precedence ---


def carrying(revision: int, **values: str) -> Annotated:
    return Annotated(
        revision,
        {f"helm-safe.dev/{name.replace('_', '-')}": (text, "Deployment/api") for name, text in values.items()},
    )


def test_flags_before_policy_before_current_before_target() -> None:
    """Take the strongest away one by one; each value says where it comes from."""
    policy = read(document(bake="2m"))
    current, target = carrying(2, bake="3m"), carrying(1, bake="4m")
    seen = [
        resolve(flags, rules, now, then).settings["bake"]
        for flags, rules, now, then in (
            ({"bake": "1m"}, policy, current, target),
            ({}, policy, current, target),
            ({}, None, current, target),
            ({}, None, NOTHING, target),
            ({}, None, NOTHING, BEFORE),
        )
    ]
    assert [setting.value for setting in seen] == [60, 120, 180, 240, 60]
    assert [setting.source for setting in seen] == [
        "--bake",
        "policy file p.yaml",
        "helm-safe.dev/bake on Deployment/api of revision 2",
        "helm-safe.dev/bake on Deployment/api of revision 1",
        "default",
    ]


def test_only_the_winner_must_be_right() -> None:
    """A broken annotation does not stand in the way of a flag; alone it is an error that names it."""
    broken = carrying(2, steps="0,200")
    assert resolve({"steps": "100"}, None, broken, BEFORE).value("steps") == (100,)
    with pytest.raises(UsageError, match=r"helm-safe\.dev/steps on Deployment/api of revision 2: '0,200'"):
        resolve({}, None, broken, BEFORE)


def test_a_plan_shows_what_was_chosen() -> None:
    found = resolve({"steps": "10,100"}, read(document(gates={"p95": "none"})), NOTHING, BEFORE).chosen()
    assert {key: setting.source for key, setting in found.items()} == {
        "steps": "--steps",
        "gates.p95": "policy file p.yaml",
    }


def test_the_target_has_no_say_in_what_made_it_the_target() -> None:
    for current, seconds in ((carrying(2, known_good_after="2h"), 7200), (NOTHING, 1800)):
        assert resolve({}, None, current, carrying(1, known_good_after="1s")).value("known-good-after") == seconds


def test_a_journal_brings_every_value_back() -> None:
    """Also to a program that knows more options, or fewer."""
    policy = parse_policy(WHOLE, "policy file p.yaml", CHECKS)
    found = resolve({"steps": "10,100"}, policy, NOTHING, BEFORE)
    body = json.loads(json.dumps(found.to_json()))
    assert Resolved.from_json(body) == found
    assert Resolved.from_json({**body, "unknown": {"value": 1, "source": "x"}}) == found
    assert Resolved.from_json({}) == resolve({}, None, NOTHING, BEFORE)


@pytest.mark.parametrize(
    ("key", "text", "written"),
    [
        ("steps", "1, 10,100", "1,10,100"),
        ("pause-at", "50, 10,commit", "10,50,commit"),
        ("pause-at", "none", "none"),
        ("approval.timeout", "3600s", "1h"),
        ("bake", "60s", "60s"),
        ("bake", "0s", "0s"),
        ("bake", "7200s", "2h"),
        ("bake", "90s", "90s"),
        ("bake", "15m", "15m"),
        ("warm-up.slow", "0.25s", "250ms"),
        ("gates.success-rate", "0.995", "99.5%"),
        ("gates.p95", "none", "none"),
        ("metrics.scrape.port", "9100", "9100"),
        ("strategy", "standby", "standby"),
    ],
)
def test_values_are_written_so_that_they_can_be_read_again(key: str, text: str, written: str) -> None:
    option = OPTIONS[key]
    value = option.parse(text)
    assert option.written(value) == written
    assert option.parse(written) == pytest.approx(value)


@pytest.mark.parametrize("address", ["http://me:hunter2@prometheus", "http://hunter2@p", "http://p/?token=hunter2"])
def test_passwords_in_addresses_are_not_repeated(address: str) -> None:
    for ask in (
        lambda: resolve({"metrics.url": address}, None, NOTHING, BEFORE),
        lambda: read(document(metrics={"url": address})),
    ):
        with pytest.raises(UsageError) as raised:
            ask()
        assert "hunter2" not in raised.value.message


def test_charts_cannot_spend_consent_or_name_addresses() -> None:
    """Nor choose a method, a strategy or where data goes."""
    current = carrying(2, isolate="always", metrics_url="http://evil", url="http://evil", strategy="native")
    assert resolve({}, None, current, BEFORE).chosen() == {}


@pytest.mark.parametrize(
    ("warm_up", "words"),
    [
        ({"method": "POST", "path": "/orders"}, "POST, which could change data"),
        ({"method": "DELETE", "unsafe-methods": "allow"}, "the path is not its own"),
        ({"body": "{}"}, "gives GET a body"),
        ({"headers": {"Cookie": "$SHOP"}, "via": "proxy"}, "Cookie of warm-up.headers would reach the API server"),
    ],
)
def test_warm_up_changes_no_data_unasked_and_hands_nobody_a_secret(warm_up: dict[str, Any], words: str) -> None:
    """Also where a chart names the path."""
    with pytest.raises(UsageError, match=words):
        resolve({}, read(document(**{"warm-up": warm_up})), carrying(2, warmup_path="/delete"), BEFORE)


def test_a_warm_up_that_may_change_data_is_the_policys_own() -> None:
    asked = {"method": "POST", "unsafe-methods": "allow", "path": "/warm", "body": "{}"}
    found = resolve({}, read(document(**{"warm-up": asked})), carrying(2, warmup_path="/delete"), BEFORE)
    assert (wanted_by(found).method, wanted_by(found).path) == ("POST", "/warm")


def test_the_journal_keeps_the_variable_not_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "hunter2")
    found = resolve({}, read(document(**{"warm-up": {"headers": {"Authorization": "$SHOP"}}})), NOTHING, BEFORE)
    assert wanted_by(found).headers == {"Authorization": "$SHOP"}
    assert "hunter2" not in json.dumps(found.to_json())
    assert wanted_by(Resolved.from_json(json.loads(json.dumps(found.to_json())))) == wanted_by(found)
    assert OPTIONS["warm-up.headers"].written(found.value("warm-up.headers")) == "Authorization"
    monkeypatch.delenv("SHOP")
    with pytest.raises(UsageError, match=r"\$SHOP, which is not set"):
        check_variables(found)


def test_an_address_chooses_prometheus() -> None:
    found = resolve({"metrics.url": "http://prometheus:9090"}, None, NOTHING, BEFORE)
    assert found.settings["metrics.provider"] == ("prometheus", "--metrics")
    with pytest.raises(UsageError, match=r"prometheus without metrics\.url"):
        resolve({}, read(document(metrics={"provider": "prometheus"})), NOTHING, BEFORE)


def test_defaults_are_the_same_everywhere() -> None:
    found = resolve({}, None, NOTHING, BEFORE)
    assert floors_of(found) == Floors()
    assert wanted_by(found) == WarmUp()
    assert isinstance(metrics_of(found, FakeCluster(), FakeClock(), {}), ScrapeMetrics)
    other = resolve({"metrics.url": "http://prometheus:9090"}, None, NOTHING, BEFORE)
    assert isinstance(metrics_of(other, FakeCluster(), FakeClock(), {}), PrometheusMetrics)


# --- annotations ---


def deployment(name: str, **annotations: str) -> tuple[ObjectRef, Object]:
    named = {f"helm-safe.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return ObjectRef("apps", "Deployment", "shop", name), {"metadata": {"name": name, "annotations": named}}


def test_annotations_of_a_revision() -> None:
    """Known ones only; others belong to others."""
    found = annotated(3, dict([deployment("api", bake="5m", schema_version="7"), deployment("web")]))
    assert found == Annotated(3, {"helm-safe.dev/bake": ("5m", "Deployment/api")})


def test_two_objects_that_disagree() -> None:
    """They are an error, unless something stronger decides."""
    torn = annotated(3, dict([deployment("web", bake="1m"), deployment("api", bake="5m")]))
    with pytest.raises(UsageError, match="Deployment/api and on Deployment/web of revision 3 differ"):
        resolve({}, None, torn, BEFORE)
    assert resolve({"bake": "2m"}, None, torn, BEFORE).value("bake") == 120
    paths = dict([deployment("web", warmup_path="/w"), deployment("api", warmup_path="/a")])
    assert annotated(3, paths) == Annotated(3, {})


def test_odd_annotations_are_left_alone() -> None:
    ref, _ = deployment("api")
    for odd in (None, [], "x", {"annotations": {"helm-safe.dev/bake": 5}}, {"annotations": []}):
        assert annotated(1, {ref: {"metadata": odd}}).values == {}


# --- where it is found ---


def test_a_file_before_the_config_map(tmp_path: Path) -> None:
    cluster = FakeCluster([config_map({KEY: dump(document(bake="3m"))})])
    assert find_policy(None, cluster, "shop", CHECKS).values == {"bake": 180}  # type: ignore[union-attr]
    (tmp_path / "p.yaml").write_text(dump(document(bake="2m")))
    found = find_policy(str(tmp_path / "p.yaml"), cluster, "shop", CHECKS)
    assert found
    assert found.values == {"bake": 120}


def test_none_is_fine_and_unreadable_is_not() -> None:
    """Without the permission to look, nobody knows which rules hold."""
    cluster = FakeCluster()
    assert find_policy(None, cluster, "shop", CHECKS) is None
    cluster.faults.append(Fault("get", Forbidden("may not get configmaps", status=403)))
    with pytest.raises(UsageError, match="cannot be seen"):
        find_policy(None, cluster, "shop", CHECKS)


@pytest.mark.parametrize("data", [{}, {"policy.yaml": "x"}, {KEY: 5}])
def test_a_config_map_without_the_key(data: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"has no key helm-safe\.yaml"):
        find_policy(None, FakeCluster([config_map(data)]), "shop", CHECKS)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"a: [", b"a: 1\n---\nb: 2\n", b"", b"x" * 2_000_000, b"{" * 5000]
)
def test_files_that_are_no_policy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.yaml").write_bytes(content)
    with pytest.raises(UsageError):
        find_policy(str(tmp_path / "p.yaml"), FakeCluster(), "shop", CHECKS)


@pytest.mark.parametrize("path", ["absent.yaml", ".", "\0", ""])
def test_files_that_are_none(path: str) -> None:
    with pytest.raises(UsageError):
        find_policy(path, FakeCluster(), "shop", CHECKS)


def config_map(data: dict[str, Any]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": "shop"},
        "data": data,
    }


# --- the page ---


def test_the_page_lists_every_key_and_its_example_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    rows = set(re.findall(r"^\| `([a-z0-9.-]+)` \|", page, re.MULTILINE))
    assert rows == set(OPTIONS)
    for option in OPTIONS.values():
        assert option.annotated in page
        assert option.flag in page
    example = re.search(r"```yaml\n(apiVersion.*?)```", page, re.DOTALL)
    assert example
    assert parse_policy(example[1], "docs/policy.md", CHECKS).values
    assert all(section.rpartition(".")[2] in page for section in sections())
