"""What the history's own words say of a revision."""

from __future__ import annotations

import re

from helm_safe.model.revisions import Revision, RevisionStatus
from helm_safe.model.snapshot import Snapshot

# Helm writes these when an operation failed, and leaves them when the status later becomes superseded.
_FAILURE = re.compile(r'^(Rollback|Upgrade|Release|Install(ation)?) "[^"]*" failed\b|\bfailed: ', re.IGNORECASE)
_ONCE_APPLIED = (RevisionStatus.DEPLOYED, RevisionStatus.SUPERSEDED)


def failed(revision: Revision) -> bool:
    """Whether the revision's operation failed, even where its status was rewritten to superseded."""
    return revision.status is RevisionStatus.FAILED or bool(_FAILURE.search(revision.description))


def looks_good(revision: Revision) -> bool:
    """Applied without a recorded failure. It is no proof of health: Helm records none."""
    return revision.status in _ONCE_APPLIED and not failed(revision)


def newest_good(snapshot: Snapshot) -> Revision | None:
    """The newest other revision without a recorded failure whose content is not the current one."""
    change = snapshot.change
    return next(
        (
            revision
            for revision in reversed(snapshot.history.revisions)
            if looks_good(revision)
            and revision.number != change.target.number
            and revision.content != change.current.content
        ),
        None,
    )


def suggestion(snapshot: Snapshot) -> str:
    """The way out when the target is unfit."""
    other, release = newest_good(snapshot), snapshot.history.release
    if other is None:
        return "No other revision of this release is free of a recorded failure: consider rolling forward."
    command = f"helm safe-rollback {release.name} {other.number} -n {release.namespace}"
    return f"Choose the newest revision without a recorded failure: {command}"
