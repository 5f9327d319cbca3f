"""Which credential plugins may run: the user's kuberc, as kubectl honours it (credentialPluginPolicy)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helm_safe.core import yamlio
from helm_safe.core.objects import sequence
from helm_safe.kube.answers import shown


def refused(program: str, env: Mapping[str, str]) -> str:
    """Why the program may not run, "" where it may. A policy that cannot be read permits nothing.

    program: the absolute path that would be run.
    """
    try:
        preferences = _preferences(env)
    except (OSError, ValueError):
        return "the kuberc file, which says what plugins may run, cannot be read"
    policy = str(preferences.get("credentialPluginPolicy") or "AllowAll")
    if policy == "AllowAll":
        return ""
    if policy == "DenyAll":
        return "the kuberc file permits no credential plugins (DenyAll)"
    if policy != "Allowlist":
        return f'the kuberc file names an unknown credentialPluginPolicy "{shown(policy)}"'
    entries = sequence(preferences, "credentialPluginAllowlist")
    if any(_matches(entry, program, env) for entry in entries if isinstance(entry, dict)):
        return ""
    return "it is not in the credentialPluginAllowlist of the kuberc file"


def _preferences(env: Mapping[str, str]) -> Mapping[str, Any]:
    """The first document of the kuberc that states a policy; empty where there is none."""
    given = env.get("KUBERC", "")
    home = env.get("HOME") or env.get("USERPROFILE") or ""
    if given == "off" or not (given or home):
        return {}
    path = Path(given) if given else Path(home) / ".kube" / "kuberc"
    if not given and not path.exists():
        return {}
    documents = yamlio.load_all(path.read_text(encoding="utf-8"))
    return next((doc for doc in documents if isinstance(doc, dict) and doc.get("credentialPluginPolicy")), {})


def _matches(entry: Mapping[str, Any], program: str, env: Mapping[str, str]) -> bool:
    """Every criterion that the entry states must hold; an empty entry permits nothing."""
    wanted = [str(entry[key]) for key in ("name", "command") if entry.get(key)]
    return bool(wanted) and all(shutil.which(name, path=env.get("PATH")) == program for name in wanted)
