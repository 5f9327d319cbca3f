"""What machines read has the published shape."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from importlib import resources
from typing import Any

import jsonschema
import pytest

from helm_safe.cli import history, status
from helm_safe.core.findings import Finding, Severity
from helm_safe.model.events import Event, Level
from helm_safe.model.records import Kind, Record, fold
from helm_safe.model.revisions import BrokenRecord, Evidence, History, Release, Revision, RevisionStatus, Standing
from helm_safe.report.live import JsonLinesReporter, TextReporter
from helm_safe.rollback.runs import RunState
from tests.model.test_machine import PLAN

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("helm_safe.report").joinpath(f"schemas/{name}.json").read_text())
    return found


def check(body: Any, name: str) -> None:
    jsonschema.validate(json.loads(json.dumps(body)), schema(name))


def test_plan_and_check() -> None:
    """A plan with findings is valid, and a finding of another shape is not."""
    finding = Finding("CFG-004", Severity.ERROR, "gone", "Secret/keys", evidence=("a",), remediation="make it")
    chosen = {"steps": {"value": [1, 100], "source": "--steps"}}
    body = {**PLAN.to_json(), "chosen": chosen, "proposed": False, "blocked": True, "findings": [finding.to_json()]}
    check(body, "plan")
    check({**body, "end": "SUCCEEDED"}, "run")
    check({"findings": [finding.to_json()]}, "check")
    with pytest.raises(jsonschema.ValidationError):
        check({"findings": [{**finding.to_json(), "severity": "block"}]}, "check")


def test_event() -> None:
    """One line of the stream."""
    check(Event(NOW, "WATCH", Level.GOOD, "up", {"kind": "step", "step": "watch", "state": "done"}).to_json(), "event")
    with pytest.raises(jsonschema.ValidationError):
        check(Event(NOW, "WATCH", Level.GOOD, "up", {"kind": "step", "step": "watch"}).to_json(), "event")
    with pytest.raises(jsonschema.ValidationError):
        check(Event(NOW, "WATCH", Level.GOOD, "up", {"kind": "unheard of"}).to_json(), "event")


def test_states_of_pods_are_for_machines_and_screens(capsys: pytest.CaptureFixture[str]) -> None:
    """A line cannot hold them; `-o jsonl` carries them."""
    event = Event(NOW, "WATCH", Level.DETAIL, "2/2 ready", {"kind": "pods", "workloads": []})
    TextReporter().event(event)
    assert capsys.readouterr().out == ""
    JsonLinesReporter().event(event)
    assert json.loads(capsys.readouterr().out)["data"]["kind"] == "pods"


def test_history() -> None:
    """History with a broken record."""
    revision = Revision(1, RevisionStatus.DEPLOYED, "", deployed_at=NOW - timedelta(hours=3))
    story = History(Release("ns", "api"), (revision,), (BrokenRecord("sh.x.v2", 2, "no gzip"),))
    body = history._document(story, {1: Evidence(Standing.CURRENT, ("it runs",))}, NOW)
    check(body, "history")
    assert body["revisions"][0]["age"] == "3h"


@pytest.mark.parametrize("records", [0, 1, 2])
def test_status(records: int) -> None:
    """Status of a run at any point."""
    journal = [
        Record(NOW, Kind.START, "PLAN", data={"plan": PLAN.to_json(), "by": "somebody"}),
        Record(NOW, Kind.INTENT, "AUTOPSY", "autopsy"),
        Record(NOW, Kind.DONE, "AUTOPSY", "autopsy", {"verdict": "pass", "message": "saved"}),
    ][: records + 1]
    body = status.document(RunState("run-1", fold(journal), None, tuple(journal)))
    check(body, "status")
    assert body["state"] == "INTERRUPTED"
