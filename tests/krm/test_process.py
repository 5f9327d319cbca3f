"""The function as a process: what goes out, what is told, and that a failure writes nothing to standard output."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helm_safe import __version__
from helm_safe.core.yamlio import dump, load
from krm_fn.functions import known_functions
from krm_fn.main import main
from krm_fn.process import process, process_stream
from tests.krm.lists import CONFIG, ROOT, WEB, resource_list, run

BARE = "- {apiVersion: v1, kind: Pod, metadata: {name: a}"
KPT = WEB.replace("kustomize.config.k8s.io/id: |", "internal.config.kubernetes.io/path: web.yaml\n      other: |")
UNKNOWN_PORTS = WEB.replace("containerPort: 3000", "containerPort: 3000\n          - containerPort: 4000")


def test_only_what_was_added_is_new() -> None:
    """Every line that came in goes out as it was, in its order."""
    text = resource_list()
    output = run(text=text).stdout.decode()
    added = [line for line in output.splitlines() if line not in text.splitlines()]
    assert [line.strip() for line in added][:4] == [
        "helm-safe.dev/defaults: defaults",
        *("readinessProbe:", "tcpSocket:", "port: 3000"),
    ]
    assert [line for line in output.splitlines() if line not in added] == text.splitlines()


def test_running_twice_equals_running_once() -> None:
    once = run(text=resource_list(UNKNOWN_PORTS + WEB)).stdout
    assert run(text=once).stdout == once


def test_results_of_kpt_stand_in_the_list_and_not_on_stderr() -> None:
    done = run(text=resource_list(KPT))
    results = load(done.stdout.decode())["results"]
    assert done.stderr == b""
    assert results[0]["file"] == {"path": "web.yaml"}
    assert results[0]["field"]["path"] == "spec.template.spec.containers[0].readinessProbe"
    assert results[0]["severity"] == "info"
    again = run(text=done.stdout)
    assert again.stdout == done.stdout


def test_results_of_others_before_us_are_kept() -> None:
    before = [{"message": "from before", "severity": "info"}]
    text = resource_list(UNKNOWN_PORTS.replace("kustomize.config.k8s.io/id", "x")) + dump({"results": before})
    results = load(process(text, known_functions()).output)["results"]
    assert results[0] == before[0]
    assert [each["tags"]["check"] for each in results[1:]] == ["PROBE-001", "KRM-100"]


def test_kustomize_gets_warnings_on_stderr_and_no_results() -> None:
    done = run(text=resource_list(UNKNOWN_PORTS))
    assert b"results" not in done.stdout
    assert done.stderr.startswith(b"warning: Deployment/web spec.template.spec.containers[0].readinessProbe: ")
    assert done.stderr.endswith(b"[PROBE-001]\n")


def test_a_config_map_as_kpt_makes_it() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "function-input"}, "data": {}}
    asked = {**config, "data": {"probes.add": "[readiness]", "probes.byStack": "false"}}
    assert "readinessProbe" in process(resource_list(config=asked), known_functions()).output


@pytest.mark.parametrize("version", ["config.kubernetes.io/v1", "config.kubernetes.io/v1beta1"])
def test_both_versions_of_a_resource_list(version: str) -> None:
    assert "readinessProbe" in process(resource_list(version=version), known_functions()).output


def test_an_empty_list_goes_through() -> None:
    for text in (resource_list("").replace("items:\n", "items: []\n"), resource_list("")):
        assert load(process(text, known_functions()).output)["items"] in ([], None)


def bad_config(**spec: Any) -> str:
    return resource_list(config={**CONFIG, "spec": spec})


BAD: list[tuple[str, str | bytes, int, str]] = [
    ("nothing", "", 3, "no ResourceList"),
    ("not YAML", "a: [", 3, "line 2"),
    ("a tab", "a:\n\t- b", 3, "line 2"),
    ("a list", "[]", 3, "no ResourceList"),
    ("another kind", "apiVersion: v1\nkind: List\nitems: []\n", 3, "'List'"),
    ("another version", resource_list(version="config.kubernetes.io/v2"), 3, 'did you mean "config.kubernetes.io/v1'),
    ("two documents", resource_list() + "---\na: b\n", 3, "no ResourceList"),
    ("items are a mapping", resource_list("  a: b\n"), 3, "items: a list"),
    ("no items", "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitmes: []\n", 3, "items: is missing"),
    ("a null item", resource_list("-\n"), 3, "items[0]: an object is expected, not null"),
    ("a text item", resource_list("- a\n"), 3, "items[0]: an object is expected, not str"),
    ("no apiVersion", resource_list("- {kind: Pod, metadata: {name: a}}\n"), 3, "items[0] (Pod): apiVersion"),
    ("no kind", resource_list("- {apiVersion: v1, metadata: {name: a}}\n"), 3, "items[0] (no kind): kind"),
    ("no metadata", resource_list("- {apiVersion: v1, kind: Pod}\n"), 3, "items[0] (Pod): metadata is missing"),
    ("no name", resource_list("- {apiVersion: v1, kind: Pod, metadata: {}}\n"), 3, "metadata.name"),
    (
        "a key twice",
        resource_list(WEB.replace("\n    name: web\n", "\n    name: web\n    name: web\n")),
        3,
        "'name' stands twice",
    ),
    ("the key's object", resource_list(f"{BARE}, spec: {{a: 1, a: 2}}}}\n"), 3, "in items[0].spec of Pod/a"),
    ("no UTF-8", resource_list().encode() + b"# \xff\n", 3, "not UTF-8: byte"),
    ("a NUL", resource_list() + "\0", 3, "control characters"),
    ("deep", resource_list("- " * 3000 + "a\n"), 3, "deeper"),
    ("no config", "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\n", 2, "no functionConfig"),
    (
        "another function",
        resource_list(config={**CONFIG, "kind": "RolloutDefault"}),
        2,
        'did you mean "RolloutDefaults"',
    ),
    ("another config version", resource_list(config={**CONFIG, "apiVersion": "helm-safe.dev/v9"}), 2, "v1alpha1"),
    (
        "a field beside spec",
        resource_list(config={**CONFIG, "specs": {}}),
        2,
        "functionConfig.specs: unknown field; did",
    ),
    ("an unknown field", bad_config(prbes={}), 2, 'spec.prbes: unknown field; did you mean "probes"?'),
    ("a deep unknown field", bad_config(probes={"rules": [{"startup": {"perod": 1}}]}), 2, "rules[0].startup.perod"),
    ("a wrong type", bad_config(probes={"byPorts": "yes please"}), 2, "spec.probes.byPorts: must be boolean"),
    ("out of range", bad_config(probes={"times": {"startup": {"periodSeconds": 0}}}), 2, "at least 1, not 0"),
    ("no port", bad_config(probes={"rules": [{"startup": {"tcpSocket": {}}}]}), 2, "tcpSocket.port: is required"),
    ("not allowed", bad_config(probes={"add": ["startups"]}), 2, 'did you mean "startup"'),
    ("an empty list", bad_config(select={"kinds": []}), 2, "at least 1 entries"),
    (
        "two handlers",
        bad_config(probes={"rules": [{"startup": {"tcpSocket": {"port": 1}, "exec": {"command": ["a"]}}}]}),
        2,
        "spec.probes.rules[0].startup: a probe has one handler, not tcpSocket and exec",
    ),
    (
        "startup twice",
        bad_config(probes={"times": {"startup": {"successThreshold": 2}}}),
        2,
        "spec.probes.times.startup",
    ),
    ("liveness twice", bad_config(probes={"rules": [{"liveness": {"successThreshold": 2}}]}), 2, "must be 1"),
    (
        "no containers",
        resource_list("- {apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {}}\n"),
        1,
        "KRM-002",
    ),
]


@pytest.mark.parametrize(("text", "code", "told"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_told_and_nothing_goes_out(
    text: str | bytes, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    raw = text.encode() if isinstance(text, str) else text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert main([]) == code
    stdout, stderr = capsysbinary.readouterr()
    assert stdout == b""
    assert told in stderr.decode()
    assert len(stderr) < 2000


def test_the_process_fails_like_the_program() -> None:
    """Exit code and streams of a real process, for one failure of each class."""
    for text, code in ((b"a: [", 3), (bad_config(prbes={}).encode(), 2), (BAD[-1][1], 1)):
        done = run(text=text)
        assert (done.stdout, done.returncode) == (b"", code)
        assert done.stderr
        assert b"Traceback" not in done.stderr


def test_too_large_an_input_is_refused_quickly() -> None:
    done = run(text=b"a: " + b"x" * 100_000_000)
    assert (done.stdout, done.returncode) == (b"", 3)
    assert b"larger than 64 MiB" in done.stderr


def test_a_config_that_selects_nothing_is_a_warning() -> None:
    done = run(text=bad_config(select={"kinds": ["StatefulSet"]}, probes={}))
    assert done.returncode == 0
    assert b"KRM-001" in done.stderr


def test_help_version_schema_and_doc() -> None:
    assert b"Exit codes" in run("--help").stdout
    assert run("--version").stdout.decode() == f"helm-safe-krm {__version__}\n"
    assert json.loads(run("--schema").stdout)["properties"]["kind"] == {"const": "RolloutDefaults"}
    assert run("--doc", "RolloutDefaults").stdout.startswith(b"# RolloutDefaults\n")
    for words, told in (
        (["--scheme"], "--schema"),
        (["--doc", "RolloutDefault"], '"RolloutDefaults"'),
        (["filter"], "-c"),
    ):
        done = run(*words)
        assert (done.stdout, done.returncode) == (b"", 2)
        assert told in done.stderr.decode()


def test_the_schema_judges_like_the_function() -> None:
    """What --schema publishes refuses the same specs."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json.loads(run("--schema").stdout))
    assert validator.is_valid(CONFIG)
    for spec in ({"prbes": {}}, {"probes": {"add": ["x"]}}, {"probes": {"times": {"startup": {"periodSeconds": 0}}}}):
        assert not validator.is_valid({**CONFIG, "spec": spec})


def test_filter_and_files(tmp_path: Path) -> None:
    """The same stream by pipe, by the filter's arguments and by files."""
    config, objects = tmp_path / "c.yaml", tmp_path / "o.yaml"
    config.write_text(dump(CONFIG))
    text = "# a remark\n" + dump(load(WEB)[0])
    objects.write_text(text)
    expected = process_stream(text, CONFIG, known_functions()).output
    assert "readinessProbe" in expected
    for done in (
        run("filter", "-c", str(config), text=text),
        run("filter", f"--config={config}", str(objects)),
        run(str(config), str(objects)),
        run(str(config), "-", text=text),
    ):
        assert (done.returncode, done.stdout.decode()) == (0, expected), done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["filter", "-c", "/none.yaml"], "No such file"),
        (["filter", "--confg", "x"], "--config"),
        (["/none.yaml", "-"], "No such file"),
        (["install-legacy", "a", "b"], "one folder"),
    ],
)
def test_wrong_usage(words: list[str], told: str) -> None:
    done = run(*words, text="a")
    assert (done.stdout, done.returncode) == (b"", 2)
    assert told in done.stderr.decode()


def test_no_objects_in_a_stream_is_nothing_out() -> None:
    assert process_stream("---\n# nothing\n---\n", CONFIG, known_functions()).output == "---\n# nothing\n---\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m krm_fn | head -c 10"
    items = "".join(WEB.replace("name: web", f"name: web{n}") for n in range(200))
    done = subprocess.run(
        ["sh", "-c", command], input=resource_list(items).encode(), capture_output=True, check=False, cwd=ROOT
    )
    assert b"Traceback" not in done.stderr


def test_helm_safe_krm_is_the_same_program() -> None:
    """`exec: {path: helm, args: [safe-rollback, krm]}` ends up here."""
    command = [sys.executable, "-m", "helm_safe", "krm"]
    done = subprocess.run(command, input=resource_list().encode(), capture_output=True, check=False, cwd=ROOT)
    assert done.stdout == run(text=resource_list()).stdout
    told = subprocess.run([*command, "--version"], capture_output=True, check=False, cwd=ROOT)
    assert told.stdout.startswith(b"helm-safe-krm ")


def test_an_interruption_writes_nothing() -> None:
    process_ = subprocess.Popen(
        [sys.executable, "-m", "krm_fn"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process_.stdin
    process_.stdin.write(b"apiVersion: ")
    process_.stdin.flush()
    os.kill(process_.pid, signal.SIGTERM)
    stdout, stderr = process_.communicate(timeout=30)
    assert (stdout, process_.returncode) == (b"", -signal.SIGTERM)
    assert b"Traceback" not in stderr
