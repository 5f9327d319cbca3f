"""Where the policy comes from: `--policy FILE`, else the ConfigMap `helm-safe-policy` of the release's namespace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from helm_safe.core.objects import mapping
from helm_safe.core.yamlio import YamlError, load
from helm_safe.model.errors import Forbidden, UsageError
from helm_safe.model.policy import Annotated, Policy, annotated, read_policy, resolve
from helm_safe.model.resources import CONFIG_MAPS
from helm_safe.model.revisions import Revision
from helm_safe.model.settings import Settings
from helm_safe.ports import Cluster

CONFIG_MAP, KEY = "helm-safe-policy", "helm-safe.yaml"
MAX_SIZE = 1024 * 1024


class Unsettled(NamedTuple):
    """Flags and policy; the annotations of the revisions are still to come (port Asked).

    base: what has no other source than flags. flags: by key of the table, as typed.
    """

    base: Settings
    flags: Mapping[str, Any]
    policy: Policy | None = None

    def under(self, policy: Policy) -> Unsettled:
        """The same, bound by a policy."""
        base = replace(self.base, policy_severities=policy.severities, waivers=policy.waivers)
        return Unsettled(base, self.flags, policy)

    def settle(self, current: Revision | None, target: Revision | None) -> Settings:
        return self.base.settled(resolve(self.flags, self.policy, _annotated(current), _annotated(target)))


def _annotated(revision: Revision | None) -> Annotated:
    return annotated(revision.number, revision.objects) if revision else Annotated(0, {})


def find_file(path: str) -> Policy:
    """The policy of a file. Raises UsageError for one that cannot be read or is not valid."""
    from helm_safe.checks import CHECKS

    return parse_policy(_from_file(path), f"policy file {path}", CHECKS)


def find_policy(path: str | None, cluster: Cluster, namespace: str, checks: Collection[str]) -> Policy | None:
    """The policy that counts; None where there is none.

    Raises UsageError for one that cannot be read or is not valid: a run without its guard rails is not what was asked
    for. Raises ClusterError where the API server does not answer.
    """
    if path is not None:
        return parse_policy(_from_file(path), f"policy file {path}", checks)
    try:
        found = cluster.get(CONFIG_MAPS, namespace, CONFIG_MAP)
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
