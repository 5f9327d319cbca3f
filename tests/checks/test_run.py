"""Running all checks: what was accepted, what could not be read, and the order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from helm_safe.checks import CHECKS
from helm_safe.checks.run import _weigh, all_checks, needs, run_checks, verify_accept, verify_policy
from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.model.errors import UsageError
from helm_safe.model.photograph import State
from helm_safe.model.policy import Annotated, Policy, Waiver, resolve
from helm_safe.model.settings import Settings
from helm_safe.model.snapshot import Snapshot
from helm_safe.registry import load
from tests.checks.cases.standby import an_ordinary_web_server
from tests.checks.world import NOW, accepting, deployment, obj, served, world


def missing_account(**fields: object):
    return world([deployment(pod={"serviceAccountName": "runner"})]).snapshot(**fields)


def test_what_blocks_comes_first() -> None:
    findings = run_checks(missing_account())
    assert findings[0].check == "CFG-004"
    assert [each.blocks for each in findings] == sorted((each.blocks for each in findings), reverse=True)


def test_an_accepted_error_no_longer_blocks_and_carries_its_reason() -> None:
    findings = run_checks(missing_account(settings=accepting(CFG_004="made by hand in a minute", HIST_007="drill")))
    assert [each for each in findings if each.blocks] == []
    waived = next(each for each in findings if each.check == "CFG-004")
    assert (waived.status, waived.waiver) == (Status.WAIVED, "made by hand in a minute")


def under_policy(*waivers: Waiver, accept: dict[str, str] | None = None, **severities: str) -> Settings:
    """under_policy(Waiver(...), CFG_004="warning")"""
    words = {name.replace("_", "-"): Severity(word) for name, word in severities.items()}
    return Settings(accept=accept or {}, policy_severities=words, waivers=waivers)


def found(check: str, **fields: object) -> Finding:
    return next(each for each in run_checks(missing_account(**fields)) if each.check == check)


@pytest.mark.parametrize(("word", "blocks"), [("error", True), ("warning", False), ("info", False)])
def test_the_policy_says_how_heavy_a_finding_is(word: str, blocks: bool) -> None:
    finding = found("CFG-004", settings=under_policy(CFG_004=word))
    assert (finding.severity, finding.blocks) == (Severity(word), blocks)
    assert ("severity by the policy; without it: error" in finding.evidence) is not blocks


def test_a_warning_can_be_made_an_error() -> None:
    """PROBE-001 is a warning; a team may insist."""
    findings = [each for each in run_checks(no_probe(under_policy(PROBE_001="error"))) if each.check == "PROBE-001"]
    assert findings
    assert all(each.blocks for each in findings)


def no_probe(settings: Settings) -> Snapshot:
    service = obj("Service", "api", spec={"selector": {"app": "api"}, "ports": [{"port": 80}]})
    return world([deployment("api"), service]).snapshot(settings=settings)


def test_what_is_milder_than_usual_stays_so() -> None:
    """Severities of a check's milder findings follow the evidence; a policy can only make them milder still."""
    check = next(each for each in all_checks() if each.id == "CFG-004")
    mild = Finding("CFG-004", Severity.WARNING, "optional")
    assert [_weigh(mild, check, under_policy(CFG_004=word)).severity for word in ("error", "warning", "info")] == [
        Severity.WARNING,
        Severity.WARNING,
        Severity.INFO,
    ]


def test_a_waiver_of_the_policy_lets_a_finding_through_until_it_expires() -> None:
    waiver = Waiver("CFG-004", "made by an operator", NOW + timedelta(days=1))
    waived = found("CFG-004", settings=under_policy(waiver))
    assert waived.status is Status.WAIVED
    assert waived.waiver == f"made by an operator (policy, until {NOW + timedelta(days=1):%Y-%m-%d})"
    assert found("CFG-004", settings=under_policy(waiver._replace(expires=NOW))).blocks


def test_a_waiver_for_one_object_leaves_the_others_alone() -> None:
    late = NOW + timedelta(days=1)
    name = found("CFG-004").object
    assert not found("CFG-004", settings=under_policy(Waiver("CFG-004", "known", late, name))).blocks
    assert found("CFG-004", settings=under_policy(Waiver("CFG-004", "known", late, "Secret/other"))).blocks


def test_accept_is_on_top_of_the_policy() -> None:
    waiver = Waiver("CFG-004", "made by an operator", NOW + timedelta(days=1))
    settings = under_policy(waiver, accept={"CFG-004": "I looked"})
    assert found("CFG-004", settings=settings).waiver == "I looked"


def test_what_must_stand_is_neither_softened_nor_waived_by_the_policy() -> None:
    """Every such rule is named at once; insisting on what is an error anyway is fine."""
    waiver = Waiver("API-REM-001", "why not", NOW + timedelta(days=1))
    with pytest.raises(UsageError) as caught:
        verify_policy(under_policy(waiver, API_REM_001="warning"))
    assert "API-REM-001 (API removed) cannot be made milder than error" in caught.value.message
    assert "API-REM-001 (API removed) cannot be waived" in caught.value.message
    verify_policy(under_policy(API_REM_001="error", CFG_004="info"))


def test_an_unverified_finding_cannot_be_accepted_away() -> None:
    settings = accepting(DRY_001="sure")
    findings = run_checks(missing_account(settings=settings))
    assert next(each for each in findings if each.check == "DRY-001").status is Status.UNVERIFIED


def test_accepting_an_unknown_check_names_the_near_ones() -> None:
    with pytest.raises(UsageError) as caught:
        verify_accept(Settings(accept={"CFG-04": "why"}))
    assert "CFG-004" in caught.value.next_step


def test_what_cannot_be_accepted_is_refused() -> None:
    with pytest.raises(UsageError, match="API-REM-001"):
        verify_accept(Settings(accept={"API-REM-001": "why not"}))


def test_accepting_needs_a_reason() -> None:
    with pytest.raises(UsageError, match="needs a reason"):
        verify_accept(Settings(accept={"CFG-004": "  "}))


def test_a_kind_that_may_not_be_listed_leaves_its_checks_unverified() -> None:
    denied = {("", "Secret"): "403 Forbidden"}
    snapshot = missing_account(denied=denied, served=served(deployment(), extra=[("", "Secret")]))
    blind = [each for each in run_checks(snapshot) if each.status is Status.UNVERIFIED and each.object == "Secret"]
    assert {each.check for each in blind} == {"CFG-003", "CFG-004", "CFG-007", "HOOK-001"}
    assert all("missing permission: list secrets" in each.evidence for each in blind)


def test_a_kind_that_no_check_of_this_run_reads_may_stay_unread() -> None:
    """Without a standby nobody asks for policies; with one, each check that does says so."""
    guard = ("networking.k8s.io", "NetworkPolicy")
    unread: dict[str, Any] = {"denied": {guard: "403"}, "served": served(deployment(), extra=[guard])}
    assert [each for each in run_checks(missing_account(**unread)) if each.object == "NetworkPolicy"] == []
    blind = [each for each in run_checks(replace(an_ordinary_web_server(), **unread)) if each.object == "NetworkPolicy"]
    assert {(each.check, each.status) for each in blind} == {
        ("STBY-002", Status.UNVERIFIED),
        ("STBY-003", Status.UNVERIFIED),
    }


def test_a_kind_that_was_served_but_not_read_is_unverified() -> None:
    snapshot = missing_account(listed=frozenset(), served=served(deployment(), extra=[("", "ResourceQuota")]))
    found = [each for each in run_checks(snapshot) if each.check == "CAP-001" and each.object == "ResourceQuota"]
    assert [each.status for each in found] == [Status.UNVERIFIED]


def test_a_kind_that_the_cluster_lacks_is_no_finding() -> None:
    snapshot = missing_account(listed=frozenset())
    assert [each for each in run_checks(snapshot) if each.object == "HTTPRoute"] == []


def test_the_table_loads_by_name_and_unknown_names_list_the_known() -> None:
    assert load("CFG-004", CHECKS, noun="check").id == "CFG-004"
    with pytest.raises(UsageError) as caught:
        load("nonsense", CHECKS, noun="check", group="helm_safe.checks")
    assert "HIST-001" in caught.value.next_step


def test_needs_is_the_union_of_what_the_checks_ask_for() -> None:
    asked = {need for check in all_checks() for need in check.needs}
    assert set(needs()) == asked
    assert ("", "Secret") in asked


def test_secret_values_never_appear() -> None:
    value = "aHVudGVyMg=="
    old = obj("Secret", "keys", data={"password": value}, stringData={"other": "hunter2"})
    new = obj("Secret", "keys", data={"password": "bmV3"}, immutable=True)
    live = obj("Secret", "keys", data={"password": "sha256:" + "0" * 64})
    text = repr(run_checks(world([old], [new], [live]).snapshot()))
    assert value not in text
    assert "hunter2" not in text


def test_a_policy_lets_doubts_block() -> None:
    """Only where an error might hide behind what could not be looked at."""
    state = State(frozenset({"database"}), None, None, "", {"database": "no route to host"})
    base = world([deployment()]).snapshot(state=state)
    told = [each for each in run_checks(base) if each.check == "STATE-001"]
    assert [each.status for each in told if each.object == "database"] == [Status.UNVERIFIED]
    settings = Settings().settled(
        resolve({}, Policy("policy file p.yaml", {"unverified": "block"}), Annotated(0, {}), Annotated(0, {}))
    )
    strict = [each for each in run_checks(replace(base, settings=settings)) if each.check == "STATE-001"]
    assert [each.blocks for each in strict if each.object == "database"] == [True]
    assert [each.blocks for each in strict if each.object == "snapshot"] == [False]
