"""Settings of a run, already parsed: no environment, no files. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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

    timeout: bound of the whole run. bake: how long a step or WATCH must look good. known_good_after: how long a
    revision must have been the deployed one to count as good. accept: check id -> reason. recreate: objects
    ("Job/migrate") that may be deleted and made anew because they are immutable.
    """

    strategy: str = "auto"
    steps: tuple[int, ...] = (1, 10, 50, 100)
    bake: float = 60.0
    timeout: float = 900.0
    known_good_after: float = 1800.0
    pending_grace: float = 600.0
    yes: bool = False
    dry_run: bool = False
    accept: Mapping[str, str] = field(default_factory=dict)
    recreate: frozenset[str] = frozenset()
    native: NativeOptions = NativeOptions()
