"""A secret planted anywhere does not come out, and hostile text costs no more than friendly text."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helm_safe.core.objects import Object
from helm_safe.core.redact import LAST_APPLIED, MAX_LINE, hash_secret, redact, redact_object, secret_literals

CANARY = "c4naryVa1ueXYZ"


@pytest.mark.parametrize(
    "text",
    [
        f"password={CANARY}",
        f"DB_PASSWORD: {CANARY}",
        f'{{"password":"{CANARY}"}}',
        f'{{\\"password\\": \\"{CANARY} and more\\"}}',
        f"api_key = '{CANARY}'",
        f'password="{CANARY} and the quote is never closed',
        f"spring.datasource.password={CANARY}",
        f"AWS_SECRET_ACCESS_KEY={CANARY}",
        f"token_value: {CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"Server=db;User Id=me;Pwd={CANARY};",
        f"uid={CANARY}",
        f"postgres://app:{CANARY}@db:5432/shop",
        f"redis://:{CANARY}@cache:6379",
        f"amqp://me:p:{CANARY}@queue",
        f"https://hooks.slack.com/services/T0/B0/{CANARY}",
        f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{CANARY}",
        f"ghp_{CANARY}{CANARY}",
        f"glpat-{CANARY}{CANARY}",
        f"xoxb-{CANARY}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\ncut off",
        f"DETAIL:  Failing row contains (1, {CANARY}, null).",
        f"DETAIL:  Key (email)=({CANARY}) already exists.",
        f"{CANARY}@example.com",
        f"password=***{CANARY}",
        f"password: ***, password={CANARY}",
    ],
)
def test_secrets_are_masked_and_a_second_time_changes_nothing(text: str) -> None:
    masked = redact(text)
    assert CANARY not in masked
    assert redact(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "no secret here",
        "tokens are checked",
        "https://example.com/a:b",
        "GET /api/v1/secrets 200",
        "image: registry.example.com/shop:1.2.3@sha256:abcdef",
        "",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


def test_long_lines_are_cut() -> None:
    lines = redact("x" * 5000 + "\n" + "y").split("\n")
    assert (len(lines[0]), lines[1]) == (MAX_LINE + 1, "y")


def test_known_values_are_found_in_every_spelling() -> None:
    value = "p@ss w0rd/+"
    literals = {value: "secret/db/key", value + "longer": "secret/db/other", "short": "never"}
    encoded = base64.b64encode(value.encode()).decode()
    text = f"a {value} b {encoded} c {quote(value, safe='')} d {value}longer e short"
    assert redact(text, literals) == (
        "a ***secret/db/key*** b ***secret/db/key*** c ***secret/db/key*** d ***secret/db/other*** e short"
    )


HOSTILE = [
    "a" * 1_000_000,
    "a." * 500_000,
    "-----BEGIN " * 90_000,
    "-----BEGIN A PRIVATE KEY-----" * 30_000,
    "a://" * 250_000,
    "a:a@" * 250_000,
    "password" * 125_000,
    'password="' * 100_000,
    "password='\n" * 90_000,
    'password=\\"' * 90_000,
    "eyJ.." * 200_000,
    "eyJaaaaa." * 110_000,
    "x@x." * 250_000,
    "Key (" * 200_000,
    "bearer " * 140_000,
    "pwd" + " " * 1_000_000 + "=",
    ("a.b-c_d@" * 250 + "\n") * 500,
    ("https://a:b" * 180 + "\n") * 500,
    ("Failing row contains (" * 90 + "\n") * 500,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12].strip())
@pytest.mark.timeout(120)
def test_a_hostile_megabyte_is_no_trap(text: str) -> None:
    """A runaway pattern takes hours here; the limit only ends such a run."""
    redact(text)


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_redacted(text: str) -> None:
    redact(text)


def secret() -> Object:
    encoded = base64.b64encode(CANARY.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "db",
            "annotations": {LAST_APPLIED: json.dumps({"data": {"k": encoded}}), "note": f"token={CANARY}"},
            "managedFields": [{"manager": "helm", "fieldsV1": {"f:data": {CANARY: {}}}}],
        },
        "data": {"k": encoded, "broken": f"!{CANARY}", "empty": "", "none": None, "number": 7},
        "stringData": {"plain": CANARY},
    }


def test_a_shown_secret_tells_only_whether_values_are_equal() -> None:
    original = secret()
    shown = redact_object(original)
    assert CANARY not in json.dumps(shown)
    assert base64.b64encode(CANARY.encode()).decode() not in json.dumps(shown)
    digest = hashlib.sha256(CANARY.encode()).hexdigest()[:8]
    assert shown["data"]["k"] == shown["data"]["plain"] == f"sha256:{digest}"
    assert "stringData" not in shown
    assert "managedFields" not in shown["metadata"]
    assert original == secret()


def test_a_hashed_secret_can_be_compared_whatever_its_spelling() -> None:
    hashed = hash_secret(secret())
    assert hashed["data"]["k"] == hashed["data"]["plain"] == "sha256:" + hashlib.sha256(CANARY.encode()).hexdigest()
    assert CANARY not in json.dumps({**hashed, "metadata": {"annotations": {}}})
    assert LAST_APPLIED not in hashed["metadata"]["annotations"]
    assert hash_secret({"kind": "ConfigMap", "data": {"a": "b"}}) == {"kind": "ConfigMap", "data": {"a": "b"}}


def test_literals_of_a_secret_cover_values_of_the_wrong_shape() -> None:
    literals = secret_literals(
        {"metadata": {"name": "db"}, "data": {"k": [{"x": CANARY}]}, "stringData": {"q": CANARY}}
    )
    assert CANARY not in redact(f"expected string, got {CANARY!r}", literals)


def test_environment_and_echoes_of_other_objects() -> None:
    env = [
        {"name": "DB_PASSWORD", "value": CANARY},
        {"name": "DATABASE_URL", "value": f"postgres://u:{CANARY}@db/shop"},
        {"name": "LOG_LEVEL", "value": "debug"},
        {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}},
    ]
    pod = {
        "kind": "Pod",
        "metadata": {"annotations": {LAST_APPLIED: CANARY}, "managedFields": [{"x": CANARY}]},
        "spec": {"containers": [{"env": env, "args": ["--password", f"--token={CANARY}"]}]},
    }
    shown = redact_object(pod)
    assert CANARY not in json.dumps(shown)
    values = [entry.get("value") for entry in shown["spec"]["containers"][0]["env"]]
    assert values == ["***", "postgres://***:***@db/shop", "debug", None]


@pytest.mark.parametrize("odd", [{}, {"kind": "Secret"}, {"kind": "Secret", "data": 7, "metadata": None}])
def test_odd_objects_pass(odd: Object) -> None:
    redact_object(odd)
    hash_secret(odd)
