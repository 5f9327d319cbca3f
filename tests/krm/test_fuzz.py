"""Mutated ResourceLists: never a traceback, never an empty output, never an endless run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from helm_safe.core.yamlio import dump, load
from helm_safe.core.yamltext import parse
from krm_fn.errors import KrmError
from krm_fn.functions import known_functions
from krm_fn.process import Outcome, process, process_stream
from tests.krm.lists import CONFIG, WEB, resource_list

FUNCTIONS = known_functions()
GOLDEN = Path(__file__).parent / "golden"
LISTS = [resource_list(), resource_list(WEB + WEB.replace("name: web", "name: api"))]
STREAMS = [path.read_text() for path in sorted(GOLDEN.glob("*/*.yaml")) if not path.name.startswith("_")]
PIECES = [
    "\n",
    " ",
    "- ",
    ":",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "|",
    "#",
    "&a ",
    "*a",
    "~",
    "null",
    "\t",
    "---\n",
    "0",
    "🎉",
    "\r",
]


@st.composite
def mutated(draw: Any, texts: list[str]) -> str:
    """A text with a few characters or lines cut out, put in, doubled or exchanged."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        piece = draw(st.sampled_from([*PIECES, text[start:end] * 2, text[end : end + 40]]))
        text = text[:start] + piece + text[end:]
    return text


def tried(function: Any, *arguments: Any) -> Outcome:
    """What the process would do: an error of ours is a message and an exit code, any other a failure of the test."""
    try:
        outcome: Outcome = function(*arguments)
    except KrmError as error:
        return Outcome("", (str(error),), error.exit_code)
    return outcome


def judged(text: str, outcome: Outcome) -> None:
    """What came in is in what goes out, and nothing else is different than what was told."""
    if outcome.exit_code:
        assert outcome.output == ""
        assert all(0 < len(message) < 2000 for message in outcome.messages)
        assert outcome.messages
        return
    rest = iter(outcome.output)
    written = re.sub(r"(annotations:) *(?:null|~)", r"\1", text)  # no annotations become the marker's mapping
    assert all(character in rest for character in written)
    parse(outcome.output)


@given(mutated(STREAMS))
@settings(max_examples=200, deadline=None)
def test_a_policy_over_mutated_streams(text: str) -> None:
    outcome = tried(process_stream, text, {**CONFIG, "kind": "RolloutPolicy", "spec": {}}, FUNCTIONS)
    assert outcome.output == ("" if outcome.exit_code else text)
    assert outcome.messages or not outcome.exit_code


@given(mutated(LISTS))
@settings(max_examples=300, deadline=None)
def test_mutated_lists(text: str) -> None:
    outcome = tried(process, text, FUNCTIONS)
    judged(text, outcome)
    if outcome.exit_code == 0:
        assert len(load(outcome.output)["items"] or []) == len(load(text)["items"] or [])
        assert process(outcome.output, FUNCTIONS).output == outcome.output


@given(mutated(STREAMS))
@settings(max_examples=300, deadline=None)
def test_mutated_streams(text: str) -> None:
    outcome = tried(process_stream, text, CONFIG, FUNCTIONS)
    judged(text, outcome)
    if outcome.exit_code == 0:
        assert process_stream(outcome.output, CONFIG, FUNCTIONS).output == outcome.output


SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 99999) | st.sampled_from(["", "TCP", "http", "Always", "a b", "8080"])
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=2),
    max_leaves=4,
)
PORT = st.fixed_dictionaries({}, optional={"containerPort": JUNK, "name": JUNK, "protocol": JUNK})
PROBE = st.fixed_dictionaries(
    {},
    optional={
        "httpGet": st.fixed_dictionaries({}, optional={"path": JUNK, "port": JUNK}) | JUNK,
        "exec": JUNK,
        "periodSeconds": JUNK,
    },
)
CONTAINER = JUNK | st.fixed_dictionaries(
    {"name": JUNK | st.just("app")},
    optional={
        "image": JUNK | st.sampled_from(["eclipse-temurin:21", "postgres:17", "node:22"]),
        "ports": st.lists(PORT | JUNK, max_size=3) | JUNK,
        "env": st.lists(JUNK | st.fixed_dictionaries({"name": JUNK | st.just("JAVA_OPTS"), "value": JUNK}), max_size=2)
        | JUNK,
        "args": JUNK,
        "command": JUNK,
        "resources": JUNK | st.fixed_dictionaries({"limits": JUNK | st.fixed_dictionaries({"cpu": JUNK})}),
        "livenessProbe": PROBE | JUNK,
        "readinessProbe": PROBE | JUNK,
        "startupProbe": PROBE | JUNK,
    },
)
TEMPLATE = JUNK | st.fixed_dictionaries(
    {
        "spec": JUNK
        | st.fixed_dictionaries(
            {"containers": JUNK | st.lists(CONTAINER, max_size=3)}, optional={"restartPolicy": JUNK}
        )
    },
    optional={"metadata": JUNK | st.fixed_dictionaries({}, optional={"labels": JUNK, "annotations": JUNK})},
)
OBJECT = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["apps/v1", "v1", "argoproj.io/v1alpha1", "serving.knative.dev/v1"]),
        "kind": st.sampled_from(["Deployment", "StatefulSet", "Service", "Rollout", "Pod"]),
        "metadata": st.fixed_dictionaries(
            {"name": st.just("a")}, optional={"labels": JUNK, "annotations": JUNK, "namespace": JUNK}
        ),
        "spec": JUNK
        | st.fixed_dictionaries(
            {},
            optional={
                "template": TEMPLATE,
                "selector": JUNK,
                "ports": JUNK,
                "workloadRef": JUNK,
                "progressDeadlineSeconds": JUNK,
            },
        ),
    }
)


DESTINATION = st.fixed_dictionaries(
    {}, optional={"name": JUNK, "weight": JUNK, "destination": JUNK | st.fixed_dictionaries({"host": JUNK})}
)
RULES = st.lists(JUNK | st.fixed_dictionaries({}, optional={"backendRefs": st.lists(DESTINATION | JUNK, max_size=3)}))
ROUTE = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["gateway.networking.k8s.io/v1", "networking.istio.io/v1"]),
        "kind": st.sampled_from(["HTTPRoute", "VirtualService", "DestinationRule"]),
        "metadata": st.just({"name": "r", "annotations": {"helm-safe.dev/boot-time": "1m"}}),
        "spec": JUNK
        | st.fixed_dictionaries(
            {"rules": RULES, "http": st.lists(st.fixed_dictionaries({"route": st.lists(DESTINATION | JUNK)}) | JUNK)}
        ),
    }
)


@given(st.lists(OBJECT | ROUTE, min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_policy_over_odd_objects(objects: list[Any]) -> None:
    text = dump({"items": objects, "kind": "List", "apiVersion": "v1"})
    outcome = tried(process_stream, text, {**CONFIG, "kind": "RolloutPolicy", "spec": {}}, FUNCTIONS)
    assert outcome.output == ("" if outcome.exit_code else text)


EVERYTHING = {
    **CONFIG,
    "spec": {
        "probes": {},
        "rollout": {},
        "shutdown": {},
        "disruptionBudget": {},
        "canary": {
            "annotations": {"bake": "5m"},
            "evenSplits": "correct",
            "stable": ["a"],
            "traffic": {"api": "istio", "stable": {"app": "a"}},
        },
    },
}
GATEWAY = {**EVERYTHING, "spec": {**EVERYTHING["spec"], "canary": {"traffic": {"api": "gateway"}}}}


@given(mutated(STREAMS), st.sampled_from([EVERYTHING, GATEWAY]))
@settings(max_examples=300, deadline=None)
def test_all_defaults_over_mutated_streams(text: str, config: dict[str, Any]) -> None:
    outcome = tried(process_stream, text, config, FUNCTIONS)
    assert outcome.messages or not outcome.exit_code
    if outcome.exit_code == 0:
        assert process_stream(outcome.output, config, FUNCTIONS).output == outcome.output


@given(st.lists(OBJECT | ROUTE, min_size=1, max_size=3), st.sampled_from([EVERYTHING, GATEWAY]))
@settings(max_examples=400, deadline=None)
def test_all_defaults_over_odd_objects(objects: list[Any], config: dict[str, Any]) -> None:
    text = dump({"items": objects, "kind": "List", "apiVersion": "v1"})
    outcome = tried(process_stream, text, config, FUNCTIONS)
    if outcome.exit_code == 0:
        assert process_stream(outcome.output, config, FUNCTIONS).output == outcome.output


@given(st.lists(OBJECT, min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_odd_objects(objects: list[Any]) -> None:
    """Objects that no API server would take: read or refused, never a crash."""
    body = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": objects, "functionConfig": CONFIG}
    outcome = process(dump(body), FUNCTIONS)
    judged(dump(body), outcome)
