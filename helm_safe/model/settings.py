"""Settings of a run, already parsed: no environment, no files. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from helm_safe.core.findings import Severity
from helm_safe.model.policy import DEFAULTS, Resolved, Waiver
from helm_safe.model.revisions import Revision


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """Flags that pass through to the native `helm rollback`, where the Helm at hand has them."""

    no_hooks: bool = False
    cleanup_on_fail: bool = False
    force_conflicts: bool = False
    force_replace: bool = False
    server_side: str = "auto"
    description: str = ""
    history_max: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for, after flags, policy, annotations and defaults were folded.

    timeout: how long a step may wait for its decision. bake: how long a step or WATCH must look good. known_good_after:
    how long a revision must have been the deployed one to count as good. accept: check id -> reason. recreate: objects
    ("Job/migrate") that may be deleted and made anew because they are immutable. resolved: every option of the table,
    with its source. watchdog: leave a guard in the cluster; guarding: this process is that guard.
    forward: the target is made by an upgrade, not gone back to.
    incident: the key of one that is open already; notify_dry_run: show what notifiers would send, and send nothing.
    policy_severities, waivers: what the policy says of findings, by id of the check.
    """

    strategy: str = "auto"
    steps: tuple[float, ...] = (1, 10, 50, 100)
    bake: float = 60.0
    timeout: float = 900.0
    known_good_after: float = 1800.0
    pending_grace: float = 600.0
    yes: bool = False
    dry_run: bool = False
    watchdog: bool = False
    guarding: bool = False
    forward: bool = False
    incident: str = ""
    notify_dry_run: bool = False
    accept: Mapping[str, str] = field(default_factory=dict)
    recreate: frozenset[str] = frozenset()
    native: NativeOptions = NativeOptions()
    resolved: Resolved = DEFAULTS
    policy_severities: Mapping[str, Severity] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()

    def settle(self, current: Revision | None, target: Revision | None) -> Settings:  # noqa: ARG002 - the port's shape
        """Themselves: they are settled."""
        return self

    def settled(self, resolved: Resolved) -> Settings:
        """The same with every option of the table as `resolved` has it."""
        value = resolved.value
        return replace(
            self,
            resolved=resolved,
            strategy=value("strategy"),
            steps=value("steps"),
            bake=value("bake"),
            timeout=value("timeout"),
            known_good_after=value("known-good-after"),
        )


class Asked(Protocol):
    """What the user asked for; it becomes Settings when the revisions are known, because their annotations count."""

    def settle(self, current: Revision | None, target: Revision | None) -> Settings:
        """Raises UsageError for an annotation that would count and cannot be read."""
