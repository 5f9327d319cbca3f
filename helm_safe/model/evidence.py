"""Which revisions were good: evidence from the release history and from the journals of earlier runs.

Helm's own word proves nothing: a rollback marks even a failed revision `superseded`. What counts is how long a content
was in service, whether people rolled away from it, and whether a guarded run ended with it. Evidence follows the
content (the hash of manifest and hooks), so a rollback inherits what is known of the revision that it copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from helm_safe.model.revisions import Evidence, History, Revision, RevisionStatus, Standing

# Helm overwrites the status of an unfinished revision with `superseded`; the description remains.
_UNFINISHED = re.compile(
    r'(?:Rollback|Upgrade|Release) "[^"]*" failed|failed to render resource|Preparing upgrade|Initial install underway'
)


class _Verdict(NamedTuple):
    """The newest evidence of a content, and all sentences about it."""

    good: bool | None = None
    facts: tuple[str, ...] = ()

    def judged(self, good: bool, fact: str) -> _Verdict:
        return _Verdict(good, (*self.facts, fact))

    def noted(self, fact: str) -> _Verdict:
        return _Verdict(self.good, (*self.facts, fact))


def evidence_of(
    history: History, *, good: Mapping[str, str], known_good_after: float, now: datetime
) -> dict[int, Evidence]:
    """What is known of each revision, by number.

    good: content hashes that a completed run or a snapshot vouches for, with the sentence that says so.
    known_good_after: seconds in service, without being rolled away from, that make a content good.
    now: the API server's clock. The newest evidence counts: whoever rolled away from a content later knew more.
    """
    verdicts = _verdicts(history, good, known_good_after, now)
    current = current_of(history)
    return {each.number: _evidence(each, verdicts, current) for each in history.revisions}


def propose(history: History, evidence: Mapping[int, Evidence]) -> Revision | None:
    """The newest revision with evidence of good; its content is never the current one. None where there is none."""
    good = [each for each in history.revisions if evidence[each.number].standing is Standing.GOOD]
    return good[-1] if good else None


def unfinished(revision: Revision) -> bool:
    """Whether the revision never was in service as a whole, whatever its status was overwritten with."""
    if revision.status.pending or revision.status is RevisionStatus.FAILED:
        return True
    return _UNFINISHED.match(revision.description) is not None


def current_of(history: History) -> Revision | None:
    """The revision that people want to leave; None after an uninstall.

    That is the last one, failed or not. Only a rollback that did not finish is looked through: it tried to leave what
    stands before it, and its own content is what people want.
    """
    for revision in reversed(history.revisions):
        if revision.status in (RevisionStatus.UNINSTALLED, RevisionStatus.UNINSTALLING):
            return None
        if not (unfinished(revision) and is_rollback(revision)):
            return revision
    return None


def is_rollback(revision: Revision) -> bool:
    """Whether a rollback made this revision; Helm 3 forgets which one it copied when it fails."""
    return (
        revision.rollback_of is not None
        or revision.status is RevisionStatus.PENDING_ROLLBACK
        or revision.description.startswith('Rollback "')
    )


def _verdicts(history: History, good: Mapping[str, str], known_good_after: float, now: datetime) -> dict[str, _Verdict]:
    """The verdict on every content, folded over the revisions in the order of their making."""
    verdicts: dict[str, _Verdict] = {}
    vouched: set[str] = set()
    for index, revision in enumerate(history.revisions):
        content = revision.content
        left = _left_by(history, index)
        if left is not None:
            known = verdicts.get(left.content, _Verdict())
            fact = f"revision {left.number} was rolled back from by revision {revision.number}"
            verdicts[left.content] = known.judged(False, fact)
        if unfinished(revision):
            continue
        verdict = verdicts.get(content, _Verdict())
        if content in good and content not in vouched:
            vouched.add(content)
            verdict = verdict.judged(True, good[content])
        verdicts[content] = _served(verdict, revision, _end_of(history, index, now), known_good_after)
    return verdicts


def _served(verdict: _Verdict, revision: Revision, end: datetime | None, known_good_after: float) -> _Verdict:
    """The verdict after the revision's own time in service."""
    if revision.deployed_at is None or end is None:
        return verdict.noted(f"how long revision {revision.number} was in service is not known")
    seconds = max(0.0, (end - revision.deployed_at).total_seconds())
    fact = f"revision {revision.number} was in service for {span(seconds)}"
    if seconds >= known_good_after:
        return verdict.judged(True, fact)
    return verdict.noted(f"{fact}, less than {span(known_good_after)}")


def _end_of(history: History, index: int, now: datetime) -> datetime | None:
    """When the revision at `index` stopped being the only content in service: when the next one was begun."""
    if index + 1 < len(history.revisions):
        return history.revisions[index + 1].deployed_at
    return now if history.revisions[index].status is RevisionStatus.DEPLOYED else None


def _left_by(history: History, index: int) -> Revision | None:
    """The revision in service that the rollback at `index` left; None where it is none, or repeats the same content."""
    revision = history.revisions[index]
    if not is_rollback(revision):
        return None
    served = [each for each in history.revisions[:index] if not unfinished(each)]
    return served[-1] if served and served[-1].content != revision.content else None


def _evidence(revision: Revision, verdicts: Mapping[str, _Verdict], current: Revision | None) -> Evidence:
    verdict = verdicts.get(revision.content, _Verdict())
    facts = verdict.facts or ("nothing shows that it ever worked",)
    if current is not None and revision.content == current.content:
        return Evidence(Standing.CURRENT, _with_failure(revision, verdict.facts))
    if unfinished(revision):
        return Evidence(Standing.BAD, _with_failure(revision, verdict.facts))
    standings = {True: Standing.GOOD, False: Standing.BAD, None: Standing.UNPROVEN}
    return Evidence(standings[verdict.good], tuple(reversed(facts)))


def _with_failure(revision: Revision, facts: tuple[str, ...]) -> tuple[str, ...]:
    """The facts, newest first, below the failure of the revision itself."""
    if not unfinished(revision):
        return tuple(reversed(facts))
    state = "never finished" if revision.status.pending else "failed"
    told = f": {revision.description}" if revision.description else ""
    return (f"revision {revision.number} {state} ({revision.status.value}){told}", *reversed(facts))


def span(seconds: float) -> str:
    """A duration for people, in its largest sensible unit."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (unit != "days" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
