"""Findings in the formats that pipelines read: JUnit, SARIF 2.1.0, annotations of GitHub Actions. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from helm_safe import __version__
from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.core.printable import printable

FORMATS = ("junit", "sarif", "github")
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


class Rule(NamedTuple):
    """What is known of a check whatever it finds."""

    id: str
    title: str
    summary: str
    remedy: str


class Subject(NamedTuple):
    """What was checked: "prod/checkout-api", and "2 → 1"."""

    release: str
    change: str


def written(output: str, subject: Subject, rules: Sequence[Rule], findings: Sequence[Finding]) -> str:
    """The text of one of FORMATS."""
    if output == "junit":
        return junit(subject, rules, findings)
    return sarif(subject, rules, findings) if output == "sarif" else github(subject, findings)


def junit(subject: Subject, rules: Sequence[Rule], findings: Sequence[Finding]) -> str:
    """One test case per check: errors fail it, what could not be looked at skips it, the rest is told."""
    suite = ET.Element("testsuite", name=f"helm-safe {subject.release} {subject.change}")
    for rule in rules:
        mine = [each for each in findings if each.check == rule.id]
        case = ET.SubElement(
            suite, "testcase", classname=f"helm-safe.{subject.release}", name=f"{rule.id} {rule.title}"
        )
        failed = [each for each in mine if each.blocks]
        unseen = [each for each in mine if each.status is Status.UNVERIFIED]
        if failed:
            ET.SubElement(case, "failure", message=printable(failed[0].message), type=rule.id).text = _told(failed)
        elif unseen:
            ET.SubElement(case, "skipped", message=f"unverified: {printable(unseen[0].message)}")
        others = [each for each in mine if each not in failed]
        if others:
            ET.SubElement(case, "system-out").text = _told(others)
    suite.set("tests", str(len(rules)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def sarif(subject: Subject, rules: Sequence[Rule], findings: Sequence[Finding]) -> str:
    """A run with every check as a rule; what was accepted is suppressed, what was not seen is open."""
    driver = {
        "name": "helm-safe",
        "version": __version__,
        "informationUri": "https://helm-safe.dev",
        "rules": [_rule(rule) for rule in rules],
    }
    results = [_result(subject, each) for each in findings]
    body = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def github(subject: Subject, findings: Iterable[Finding]) -> str:
    """Workflow commands, one line each."""
    lines = []
    for each in findings:
        command = "notice" if each.status is not Status.FAIL else _COMMANDS[each.severity]
        title = f"{each.check} {subject.release} {subject.change}" + _status(each)
        lines.append(f"::{command} title={_property(title)}::{_data(_sentence(each))}\n")
    return "".join(lines)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.summary},
        "help": {"text": rule.remedy},
        "helpUri": f"https://helm-safe.dev/checks#{rule.id.lower()}",
    }


def _result(subject: Subject, finding: Finding) -> dict[str, Any]:
    """A finding has no line of a file; its object is a logical place, the release stands for the file."""
    name = f"{subject.release}/{finding.object}" if finding.object else subject.release
    logical = {"fullyQualifiedName": f"{name}#{finding.field}" if finding.field else name, "kind": "resource"}
    artifact = {"artifactLocation": {"uri": f"helm/{subject.release}"}}
    unseen = finding.status is Status.UNVERIFIED
    body: dict[str, Any] = {
        "ruleId": finding.check,
        "kind": "open" if unseen else "fail",
        "level": "none" if unseen else _LEVELS[finding.severity],
        "message": {"text": _sentence(finding)},
        "locations": [{"physicalLocation": artifact, "logicalLocations": [logical]}],
        "partialFingerprints": {"finding/v1": f"{finding.check} {name} {finding.field}".strip()},
    }
    if finding.status is Status.WAIVED:
        body["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.waiver}]
    return body


def _sentence(finding: Finding) -> str:
    place = f"{finding.object}: " if finding.object and finding.object not in finding.message else ""
    return printable(" ".join(filter(None, (f"{place}{finding.message}", *finding.evidence, finding.remediation))))


def _told(findings: Iterable[Finding]) -> str:
    return "\n".join(_sentence(each) + _status(each) for each in findings)


def _status(finding: Finding) -> str:
    if finding.status is Status.WAIVED:
        return f" (accepted: {finding.waiver})"
    return " (unverified)" if finding.status is Status.UNVERIFIED else ""


def _data(text: str) -> str:
    """As the runner of GitHub Actions wants it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
