"""Kubeconfig files merged by kubectl's rules: the first file that has a name wins, missing files are skipped."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helm_safe.core import yamlio
from helm_safe.core.objects import mapping, sequence
from helm_safe.kube.answers import shown
from helm_safe.model.errors import Unreachable

_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
Entries = dict[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The merged content; relative paths are already those of the file they stand in.

    files: those that were read. where: the same in words, or the places looked at.
    """

    files: tuple[Path, ...]
    where: str
    current_context: str = ""
    contexts: Entries = field(default_factory=dict, repr=False)
    clusters: Entries = field(default_factory=dict, repr=False)
    users: Entries = field(default_factory=dict, repr=False)


def read_kubeconfig(env: Mapping[str, str]) -> Kubeconfig:
    """The files that KUBECONFIG lists, else the one in the home folder. Raises Unreachable for a broken one."""
    listed = [part for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    home = env.get("HOME") or env.get("USERPROFILE") or ""
    paths = [Path(part) for part in listed] or ([Path(home) / ".kube" / "config"] if home else [])
    contents = [(path, content) for path in paths if (content := _read(path)) is not None]
    merged = Kubeconfig(
        files=tuple(path for path, _ in contents),
        where=shown(", ".join(str(path) for path, _ in contents) or ", ".join(map(str, paths)) or "no home folder"),
        current_context=next((str(c["current-context"]) for _, c in contents if c.get("current-context")), ""),
    )
    for path, content in contents:
        for entries, section, key in (
            (merged.contexts, "contexts", "context"),
            (merged.clusters, "clusters", "cluster"),
            (merged.users, "users", "user"),
        ):
            for item in sequence(content, section):
                if isinstance(item, dict) and item.get("name"):
                    entries.setdefault(str(item["name"]), _absolute(mapping(item, key), path))
    return merged


def pem(entry: Mapping[str, Any], key: str, source: str) -> bytes:
    """A certificate or key of a kubeconfig entry, given inline or as a file; empty where there is none."""
    if data := entry.get(f"{key}-data"):
        try:
            return base64.b64decode(str(data), validate=False)
        except (binascii.Error, ValueError):
            raise Unreachable(
                f"{key}-data of {source} is not valid base64.", "Correct the kubeconfig or write it anew."
            ) from None
    return read_file(str(entry[key]), source) if entry.get(key) else b""


def read_file(file: str, source: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise Unreachable(
            f'The file "{shown(file)}" that {source} refers to cannot be read: {reason}.',
            "Correct the path or the file's permissions.",
        ) from None


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        content = yamlio.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = str(error) if isinstance(error, yamlio.YamlError) else getattr(error, "strerror", None) or "not text"
        raise Unreachable(
            f'The kubeconfig "{shown(str(path))}" cannot be read: {shown(str(why))}.',
            "Correct the file, or point KUBECONFIG or --kubeconfig to another one.",
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise Unreachable(
            f'The kubeconfig "{shown(str(path))}" does not hold a mapping.',
            "Correct the file, or point KUBECONFIG or --kubeconfig to another one.",
        )
    return content


def _absolute(entry: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    folder = file.absolute().parent
    resolved = {key: str(folder / str(value)) if key in _PATHS and value else value for key, value in entry.items()}
    command = str(mapping(entry, "exec").get("command") or "")
    if os.sep in command:
        resolved["exec"] = {**entry["exec"], "command": str(folder / command)}
    return resolved
