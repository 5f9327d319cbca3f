"""Where the policy comes from: `--policy FILE`, else the ConfigMap `helm-safe-policy` of the release's namespace."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from helm_safe.core.objects import Gvk, mapping
from helm_safe.core.yamlio import YamlError, load
from helm_safe.model.errors import Forbidden, UsageError
from helm_safe.model.policy import Policy, read_policy
from helm_safe.model.snapshot import Resource
from helm_safe.ports import Cluster

CONFIG_MAP, KEY = "helm-safe-policy", "helm-safe.yaml"
MAX_SIZE = 1024 * 1024
_CONFIG_MAPS = Resource(Gvk("", "v1", "ConfigMap"), "configmaps", namespaced=True)


def find_policy(path: str | None, cluster: Cluster, namespace: str, checks: Collection[str]) -> Policy | None:
    """The policy that counts; None where there is none.

    Raises UsageError for one that cannot be read or is not valid: a run without its guard rails is not what was asked
    for. Raises ClusterError where the API server does not answer.
    """
    if path:
        return parse_policy(_from_file(path), f"policy file {path}", checks)
    try:
        found = cluster.get(_CONFIG_MAPS, namespace, CONFIG_MAP)
    except Forbidden as refused:
        raise UsageError(
            f"whether namespace {namespace} has a policy cannot be seen: {refused.message}",
            f"Ask for `get` on the ConfigMap {CONFIG_MAP}, or give the policy with --policy FILE.",
        ) from None
    if found is None:
        return None
    source = f"ConfigMap/{CONFIG_MAP} in namespace {namespace}"
    text = mapping(found, "data").get(KEY)
    if not isinstance(text, str):
        raise UsageError(f"{source} has no key {KEY}", f"Put the policy there, or delete ConfigMap/{CONFIG_MAP}.")
    return parse_policy(text, source, checks)


def parse_policy(text: str, source: str, checks: Collection[str]) -> Policy:
    """The policy out of its YAML. Raises UsageError."""
    if len(text) > MAX_SIZE:
        raise UsageError(f"{source} is larger than {MAX_SIZE >> 20} MiB; that is no policy")
    try:
        document = load(text)
    except YamlError as error:
        raise UsageError(f"{source} cannot be read as YAML: {error}") from None
    return read_policy(document, source, checks)


def _from_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_SIZE + 1).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"policy file {path} cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, ValueError):
        raise UsageError(f"policy file {path} is not UTF-8 text") from None
