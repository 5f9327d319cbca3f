"""AUTOPSY: evidence saved before the first write that destroys it; it shortens with time, it never fails a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helm_safe.core.masking import Masker
from helm_safe.files import safe_name
from helm_safe.model.collected import Collected
from helm_safe.model.errors import ClusterError, NotFound
from helm_safe.model.events import Level
from helm_safe.model.evidence import current_of, propose, unfinished
from helm_safe.model.inquest import document
from helm_safe.model.plan import Stage, Step
from helm_safe.model.revisions import History, Release
from helm_safe.model.snapshot import Served
from helm_safe.model.suspicions import Judgement, judge
from helm_safe.report.inquest import markdown
from helm_safe.rollback.casefile import Bundle, save
from helm_safe.rollback.collecting import BUDGET, Asked, Budget, collect
from helm_safe.rollback.commit import Outcome, passed
from helm_safe.rollback.context import Run, World
from helm_safe.rollback.inspect import evidence_for

_MISSED = ("pods ", "events ", "the ", "container ")
"""Notes that a run says aloud; kinds that its Role does not grant stand in the bundle."""


@dataclass(frozen=True, slots=True)
class Inquest:
    """What was collected, what it says, and what takes secrets out of it."""

    collected: Collected
    judgement: Judgement
    masker: Masker

    @property
    def body(self) -> dict[str, Any]:
        """The published shape (schema autopsy), without the place of the bundle."""
        found: dict[str, Any] = self.masker.strings(document(self.collected, self.judgement))
        return found


def inquire(world: World, asked: Asked, *, served: Served | None = None, seconds: float = BUDGET) -> Inquest:
    """Collect and judge; changes nothing. What cannot be read is named in the notes."""
    budget = Budget.of(world, seconds)
    if served is None:
        try:
            served = world.cluster.served()
        except ClusterError as error:
            budget.note(f"the kinds that the API server serves were not read: {error.message}")
            served = Served({})
    collected, masker = collect(world, asked, served, budget)
    return Inquest(collected, judge(collected), masker)


def asked_of(world: World, history: History, known_good_after: float) -> Asked:
    """What stands, and the revision one would go back to: the one known to be good, or the newest with other content.

    Raises NotFound.
    """
    current = current_of(history)
    if current is None:
        raise NotFound(f"release {history.release} is uninstalled", "There is nothing left to look at.")
    earlier = [each for each in history.revisions if each.number < current.number and each.content != current.content]
    served = [each for each in earlier if not unfinished(each)] or earlier
    try:
        good = propose(history, evidence_for(world, history, known_good_after))
    except ClusterError:
        good = None
    return Asked(history, current, good or (served[-1] if served else None))


def keep(found: Inquest, folder: Path) -> Bundle:
    """Save the bundle. Raises OSError."""
    return save(folder, found.collected, found.masker, found.body, markdown(found.body))


def folder_of(evidence: Path, release: Release, name: str) -> Path:
    return evidence / safe_name(release.namespace) / safe_name(release.name) / name


def autopsy(run: Run, step: Step, again: bool) -> Outcome:  # noqa: ARG001 - reading twice is harmless
    """Save logs (also of previous containers), events, states and differences, and say what they point to."""
    history = run.world.releases.history(run.release)
    current = history.get(run.plan.current) or history.last
    found = inquire(run.world, Asked(history, current, history.get(run.plan.target)), served=_served(run))
    for note in (*found.collected.notes, *found.judgement.notes):
        run.tell(Stage.AUTOPSY, note, Level.WARNING if note.startswith(_MISSED) else Level.DETAIL)
    sentences = [_told(each) for each in found.body["suspicions"]]
    for sentence in sentences:
        run.tell(Stage.AUTOPSY, sentence, Level.WARNING)
    count, advice = len(found.collected.of_kind("Pod")), found.judgement.advice
    facts = {"suspicions": sentences, "advice": advice.value if advice else ""}
    try:
        bundle = keep(found, folder_of(run.world.evidence, run.release, run.journal.run_id))
    except OSError as error:
        run.tell(Stage.AUTOPSY, f"the evidence could not be saved: {error}", Level.WARNING)
        return passed(f"evidence of {count} pods was read and could not be saved", folder="", archive="", **facts)
    where = {"folder": str(bundle.folder), "archive": str(bundle.archive or "")}
    return passed(f"evidence of {count} pods saved in {bundle.folder}", **where, **facts)


def _served(run: Run) -> Served | None:
    try:
        return run.served()
    except ClusterError:
        return None


def _told(suspicion: Mapping[str, Any]) -> str:
    """A suspicion in one line, with its first piece of evidence and the difference that explains it."""
    first = f" Seen: {suspicion['evidence'][0]}." if suspicion["evidence"] else ""
    change = f" Changed: {suspicion['explainedBy'][0]}." if suspicion["explainedBy"] else ""
    where = f" ({suspicion['workload']})" if suspicion["workload"] else ""
    return f"{suspicion['advice']}: {suspicion['title']}{where}; {suspicion['direction']}.{first}{change}"
