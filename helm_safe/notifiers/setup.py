"""What a notifier is made of: its part of the policy, its secret, and where a dry run shows what it would send."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from helm_safe.core.objects import mapping
from helm_safe.core.printable import printable
from helm_safe.model.errors import UsageError
from helm_safe.model.resources import SECRETS
from helm_safe.ports import Clock, Cluster

MOST = 64 * 1024


class Credential:
    """A secret and where it came from, for people; nothing that prints it shows the secret."""

    __slots__ = ("origin", "value")

    def __init__(self, value: str, origin: str) -> None:
        self.value = value
        self.origin = origin

    def __repr__(self) -> str:
        return f"Credential(from {self.origin})"


class Setup(NamedTuple):
    """name: of the policy. options: the rest of its entry. show: takes what a dry run would send, and what `stdout`
    says. dry: whether nothing leaves this process.
    """

    name: str
    options: Mapping[str, Any]
    secret: Credential | None
    clock: Clock
    env: Mapping[str, str]
    show: Callable[[str], None]
    dry: bool = False

    @property
    def key(self) -> str:
        """The secret's value, "" where there is none."""
        return self.secret.value if self.secret else ""


def credential(
    wanted: Mapping[str, str] | None, env: Mapping[str, str], cluster: Callable[[], Cluster], namespace: str
) -> Credential | None:
    """The secret that a policy refers to. Raises UsageError where it is not there, ClusterError of a look."""
    if not wanted:
        return None
    ((place, where),) = wanted.items()
    origin = {"env": f"environment variable {where}", "file": f"file {where}"}.get(place, where)
    value = _value(place, where, env, cluster, namespace).strip()
    if not value:
        raise UsageError(f"its secret is not there: {printable(origin)} is not set or empty", "Set it.")
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"its secret holds characters that none has: {printable(origin)}", "Set it anew.")
    return Credential(value, printable(origin))


def _value(place: str, where: str, env: Mapping[str, str], cluster: Callable[[], Cluster], namespace: str) -> str:
    if place == "env":
        return env.get(where, "")
    if place == "file":
        return _of_file(where)
    name, _, key = where.removeprefix("secret/").partition("#")
    found = cluster().get(SECRETS, namespace, name)
    text = mapping(found, "data").get(key) if found else None
    try:
        return base64.b64decode(str(text or ""), validate=True).decode()
    except (binascii.Error, ValueError):
        raise UsageError(f"its secret is no text: {where} in namespace {namespace}") from None


def _of_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST).decode("utf-8-sig")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"its secret cannot be read: file {printable(path)}: {why}") from None
    except ValueError:
        raise UsageError(f"its secret is no text: file {printable(path)}") from None
