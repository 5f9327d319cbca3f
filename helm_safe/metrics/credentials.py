"""Credentials of monitoring systems: from the environment alone, never from a file, an address or a flag."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple

from helm_safe.model.errors import UsageError

TOKEN, USER, PASSWORD = "HELM_SAFE_METRICS_TOKEN", "HELM_SAFE_METRICS_USER", "HELM_SAFE_METRICS_PASSWORD"


class Login(NamedTuple):
    """What is sent with each request.

    headers: e.g. {"Authorization": "Bearer ..."}. variables: which ones of the environment they come from, for people.
    secrets: what no message may repeat.
    """

    headers: Mapping[str, str]
    variables: str
    secrets: tuple[str, ...] = ()


def login(env: Mapping[str, str]) -> Login:
    """A bearer token, or user and password; neither where the environment has none. Raises UsageError."""
    variables = f"{TOKEN}, or {USER} and {PASSWORD}"
    token, user, password = (_sendable(env, name) for name in (TOKEN, USER, PASSWORD))
    if token:
        return Login({"Authorization": f"Bearer {token}"}, variables, (token,))
    if user:
        both = b64encode(f"{user}:{password}".encode()).decode()
        return Login({"Authorization": f"Basic {both}"}, variables, tuple(filter(None, (both, password))))
    return Login({}, variables)


def keyed(env: Mapping[str, str], headers: Mapping[str, tuple[str, str]]) -> Login:
    """Headers that a vendor wants.

    headers: name -> (variable of the environment, what stands before its value, such as "Token "); for a single header
    TOKEN does as well. Raises UsageError naming the variable that is not set.
    """
    values = {name: _sendable(env, variable) for name, (variable, _) in headers.items()}
    if len(values) == 1:
        values = {name: value or _sendable(env, TOKEN) for name, value in values.items()}
    for name, value in values.items():
        if not value:
            raise UsageError(f"the credentials of the metrics are missing: {headers[name][0]} is not set", "Set it.")
    also = f" or {TOKEN}" if len(values) == 1 else ""
    variables = " and ".join(variable for variable, _ in headers.values()) + also
    sent = {name: headers[name][1] + value for name, value in values.items()}
    return Login(sent, variables, tuple(values.values()))


def _sendable(env: Mapping[str, str], variable: str) -> str:
    value = env.get(variable, "").strip()
    if not value.isprintable() or not value.isascii():
        raise UsageError(f"{variable} holds characters that no HTTP header may", "Set it anew.")
    return value
