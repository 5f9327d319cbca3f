"""Functions of others: the documented example, and what the runner promises to them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core.findings import Severity
from helm_safe.core.yamledit import NoPlace
from helm_safe.core.yamlio import load, load_all
from krm_fn.errors import OutputError
from krm_fn.function import Call, Function
from krm_fn.process import Outcome, process, process_stream
from krm_fn.testing import GoldenMismatch, check_golden
from tests.krm.lists import ROOT, WEB, resource_list

CONFIG = {"apiVersion": "example.com/v1", "kind": "Any", "metadata": {"name": "any"}}


def function(run: Callable[[Call], None], schema: dict[str, Any] | None = None) -> Function:
    return Function("Any", run, schema or {"type": "object"}, "anything", group="example.com", versions=("v1",))


def ran(run: Callable[[Call], None], text: str = "", config: Any = CONFIG) -> Outcome:
    return process_stream(text or OBJECTS, config, [function(run)])


OBJECTS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: one # the first
  annotations:
data: {a: "1e3", b: x}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: two
  labels:
    app: web # kept
data:
  long: |
    text
  b: 2
"""


def test_the_documented_function(tmp_path: Path) -> None:
    """docs/krm-functions.md holds a program that works as it stands."""
    page = (ROOT / "docs" / "krm-functions.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found
    program = tmp_path / "replica_floor.py"
    program.write_text(found[1])
    config = {"apiVersion": "example.com/v1", "kind": "ReplicaFloor", "metadata": {"name": "x"}, "spec": {"least": 3}}
    text = resource_list(WEB.replace("  spec:\n    template", "  spec:\n    replicas: 1 # few\n    template"), config)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(program)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == text.replace("replicas: 1 # few", "replicas: 3 # few")
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, env=env)
    assert "ReplicaFloor  gives every Deployment so many replicas at least" in told.stdout


def test_add_set_and_remove_touch_nothing_else() -> None:
    def run(call: Call) -> None:
        one, two = call.items
        assert one.set(("metadata", "annotations", "example.com/x"), "08")
        assert one.set(("data", "b"), "z")
        assert not one.set(("data", "b"), "z")
        assert not one.add(("data", "a"), "other")
        assert two.remove(("data", "long"))
        assert not two.remove(("data", "none", "such"))
        assert two.add(("metadata", "labels", "tier"), "front")
        assert (two.get("data", "b"), two.get("metadata", "labels", "tier")) == (2, "front")

    expected = OBJECTS.replace("  annotations:\n", '  annotations:\n    example.com/x: "08"\n')
    expected = expected.replace("b: x}", "b: z}").replace("  long: |\n    text\n", "")
    assert ran(run).output == expected.replace("app: web # kept\n", "app: web # kept\n    tier: front\n")


def test_results_say_what_was_done() -> None:
    def run(call: Call) -> None:
        call.items[0].set(("data", "b"), "z")
        call.items[1].remove(("data", "b"))
        call.items[1].add(("data", "c"), "z")

    told = [each.finding.message for each in ran(run).results]
    assert told == ["b was changed.", "b was removed.", "c was added."]


def test_a_new_object_goes_behind_the_others() -> None:
    new = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"clusterIP": "None"}}
    output = ran(lambda call: call.create(dict(new))).output
    assert output.startswith(OBJECTS)
    assert load_all(output)[-1] == new
    for items in (WEB, "[]", ""):
        text = resource_list(items, CONFIG).replace("items:\n[]", "items: []\n")
        done = process(text, [function(lambda call: call.create(dict(new)))])
        assert load(done.output)["items"][-1] == new


def test_what_a_function_must_not_do() -> None:
    def item_gone(call: Call) -> None:
        call.items.pop()

    def internal(call: Call) -> None:
        call.items[0].set(("metadata", "annotations", "internal.config.kubernetes.io/index"), "9")

    def twice(call: Call) -> None:
        call.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}})

    def nameless(call: Call) -> None:
        call.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})

    for run, told in (
        (item_gone, "lost"),
        (internal, "belongs"),
        (twice, "there already"),
        (nameless, "metadata.name"),
    ):
        with pytest.raises(OutputError, match=told):
            ran(run)


def test_a_value_written_behind_the_back_is_noticed() -> None:
    """`data` is to be read only: what is written into it would be missing in the text."""

    def run(call: Call) -> None:
        call.items[0].data["data"]["c"] = "hidden"
        call.items[0].add(("data", "d"), "seen")

    with pytest.raises(OutputError, match="what was meant"):
        ran(run)


def test_paths_that_lead_nowhere() -> None:
    def run(call: Call) -> None:
        for path in ((), ("data", "b", "x"), ("data", 0), ("metadata", "labels", 0, "x")):
            with pytest.raises(NoPlace):
                call.items[1].add(path, 1)

    ran(run)


def test_an_error_ends_the_run_without_output() -> None:
    def run(call: Call) -> None:
        call.items[0].add(("data", "c"), "z")
        call.report("X-001", Severity.ERROR, "No.", item=call.items[0], path=("data", "a"), remediation="Do.")

    done = ran(run)
    assert (done.output, done.exit_code) == ("", 1)
    assert done.messages == ("error: ConfigMap/one data.a: No. Do. [X-001]",)


def test_what_a_function_prints_is_not_output(capsys: pytest.CaptureFixture[str]) -> None:
    output = ran(lambda _call: print("noise")).output
    captured = capsys.readouterr()
    assert output == OBJECTS
    assert (captured.out, captured.err) == ("", "noise\n")


def test_a_function_that_crashes_is_one_sentence(tmp_path: Path) -> None:
    program = tmp_path / "crash.py"
    body = "from krm_fn.function import Function\nfrom krm_fn.main import main\n"
    body += "def run(call):\n    raise ValueError('secret')\n"
    body += "main(functions=[Function('Any', run, {}, 'x', group='example.com', versions=('v1',))])\n"
    program.write_text(body + "raise SystemExit(main(functions=[]))\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    text = resource_list(config=CONFIG).encode()
    done = subprocess.run([sys.executable, str(program)], input=text, capture_output=True, check=False, env=env)
    assert done.stdout == b""
    assert done.stderr.startswith(b"error: an error inside of the function at crash.py:4: ValueError.")
    assert b"secret" not in done.stderr


def test_golden_folders_notice_a_function_that_is_not_idempotent(tmp_path: Path) -> None:
    def run(call: Call) -> None:
        call.items[0].set(("data", "n"), int(call.items[0].get("data", "n")) + 1)

    (tmp_path / "_fnconfig.yaml").write_text("apiVersion: example.com/v1\nkind: Any\nmetadata: {name: a}\n")
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: A\nmetadata: {name: a}\ndata: {n: 1}\n")
    (tmp_path / "_expected.yaml").write_text("apiVersion: v1\nkind: A\nmetadata: {name: a}\ndata: {n: 2}\n")
    with pytest.raises(GoldenMismatch, match="differs"):
        check_golden(tmp_path, [function(run)])
    from krm_fn.testing import _results, _run, _stream

    outcome = _run(_stream(tmp_path), CONFIG, [function(run)])
    (tmp_path / "_results.yaml").write_text(_results(outcome))
    with pytest.raises(GoldenMismatch, match="second run"):
        check_golden(tmp_path, [function(run)])
