"""Findings for pipelines: JUnit, SARIF and annotations, each read back."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.report.pipelines import FORMATS, Rule, Subject, written

SUBJECT = Subject("prod/checkout-api", "2 → 1")
RULES = [
    Rule(name, f"title of {name}", "why it matters", "what to do")
    for name in ("AAA-001", "BBB-001", "CCC-001", "DDD-001")
]
FOUND = [
    Finding("AAA-001", Severity.ERROR, "50 % <b>fail</b>\nhere", "Secret/keys", "data.token", ("a fact",), "mend it"),
    Finding("AAA-001", Severity.ERROR, "another", status=Status.WAIVED, waiver="known: ticket 7"),
    Finding("BBB-001", Severity.WARNING, "a bell \x07 rings", "Deployment/api"),
    Finding("CCC-001", Severity.ERROR, "could not be listed", status=Status.UNVERIFIED),
]


def text(output: str) -> str:
    return written(output, SUBJECT, RULES, FOUND)


def test_junit_has_a_case_per_check() -> None:
    suite = ET.fromstring(text("junit"))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    cases = {str(case.get("name")).split()[0]: case for case in suite}
    failure = cases["AAA-001"].find("failure")
    assert failure is not None
    assert failure.get("type") == "AAA-001"
    assert "50 % <b>fail</b>" in str(failure.text)
    assert "mend it" in str(failure.text)
    assert "accepted: known: ticket 7" in str(cases["AAA-001"].findtext("system-out"))
    skipped = cases["CCC-001"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "unverified: could not be listed"
    assert "rings" in str(cases["BBB-001"].findtext("system-out"))
    assert list(cases["DDD-001"]) == []


def test_sarif_is_what_code_scanning_reads() -> None:
    """Required by the schema: version, tool.driver.name, message; rule ids resolve; open results have no level."""
    body = json.loads(text("sarif"))
    (run,) = body["runs"]
    assert body["version"] == "2.1.0"
    assert run["tool"]["driver"]["name"] == "helm-safe"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [rule.id for rule in RULES]
    assert all(result["ruleId"] in rules and result["message"]["text"] for result in run["results"])
    kinds = [(result["kind"], result["level"], "suppressions" in result) for result in run["results"]]
    assert kinds == [
        ("fail", "error", False),
        ("fail", "error", True),
        ("fail", "warning", False),
        ("open", "none", False),
    ]
    place = run["results"][0]["locations"][0]
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "prod/checkout-api/Secret/keys#data.token"
    prints = [result["partialFingerprints"]["finding/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_annotations_are_one_line_each() -> None:
    lines = text("github").splitlines()
    assert len(lines) == len(FOUND)
    assert [line.split()[0] for line in lines] == ["::error", "::notice", "::warning", "::notice"]
    assert lines[0].startswith("::error title=AAA-001 prod/checkout-api 2 → 1::Secret/keys%3A".replace("%3A", ":"))
    assert "50 %25 <b>fail</b>" in lines[0]
    assert "known%3A ticket 7" in lines[1]


@pytest.mark.parametrize("output", FORMATS)
def test_nothing_found_is_well_formed(output: str) -> None:
    found = written(output, SUBJECT, RULES, [])
    if output == "junit":
        assert ET.fromstring(found).get("failures") == "0"  # noqa: S314 - our own
    if output == "sarif":
        assert json.loads(found)["runs"][0]["results"] == []
    assert output != "github" or found == ""


@pytest.mark.parametrize("output", FORMATS)
def test_no_control_character_gets_through(output: str) -> None:
    assert "\x07" not in text(output)
