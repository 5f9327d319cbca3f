"""CFG-003: the rollback writes an old value over a Secret that was rotated since."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, SECRET, Check
from helm_safe.checks.secrets import live_hashes, secret_hashes
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    for ref, obj in snapshot.change.target.objects.items():
        live = snapshot.live_for(ref)
        if (ref.group, ref.kind) != SECRET or live is None:
            continue
        before = secret_hashes(snapshot.change.current.objects.get(ref, {}))
        keys = _reverted(live_hashes(live), before, secret_hashes(obj))
        if keys:
            yield Finding(
                CHECK.id,
                CHECK.severity,
                f"{ref} was changed outside Helm; the rollback would write revision"
                f" {snapshot.change.target.number}'s old value back for {', '.join(keys[:5])}.",
                object=str(ref),
                field=f"data.{keys[0]}",
                evidence=tuple(f"{key}: live differs from both revisions" for key in keys[:20]),
                remediation=CHECK.remedy,
            )


def _reverted(live: dict[str, str], before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Keys whose live value is neither what the current revision wrote nor what the target would write."""
    return sorted(
        key
        for key, value in after.items()
        if live.get(key, "").startswith("sha256:") and live[key] not in (value, before.get(key))
    )


CHECK = Check(
    "CFG-003",
    "Rotated Secret reverted",
    ERROR,
    "A live Secret no longer has the value that the current revision wrote: somebody rotated it. The rollback writes"
    " the target's old value over it.",
    "Take the Secret out of the chart, or be ready to rotate it again right after the rollback, and accept.",
    _run,
    needs=(SECRET,),
)
