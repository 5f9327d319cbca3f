"""From what was collected to at most three suspicions: what is to blame, what explains it, what helps. Pure.

score = weight of the cause x recency x whether the other revision's pods show it too x what the difference explains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.core.references import references_of
from helm_safe.core.workloads import pod_template
from helm_safe.model.causes import CAUSES, Cause, Kin
from helm_safe.model.collected import Collected, hook_runs, skewed
from helm_safe.model.hunks import CONFIG, NONE, OBJECT, SECRET, Hunk, hunks
from helm_safe.model.plan import Advice
from helm_safe.model.revisions import HOOK_SKEW
from helm_safe.model.symptom import Symptom, failing
from helm_safe.model.symptoms import SERVING, symptoms

MOST = 3
EVIDENCE = 5
HUNKS = 3
CLOSE, DISTANT, SOFT, UNEXPLAINED = 1.5, 1.1, 0.8, 0.7
OUTSIDE = 0.9
"""What a cause outside of the release counts where no difference explains it: none needs to."""
SHARED = 0.5
"""What a cause inside of the release counts where pods of another revision show it as well."""
FAINT = 0.5
"""What counts no more than this does not speak for a vague state of its workload."""
BEFORE = 0.3
"""What was last seen before this revision came counts so much."""
RECENT, OLD = timedelta(minutes=10), timedelta(minutes=60)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A cause, whom it accuses, and what follows.

    subject: what it is about. where: the workload. revision: whose pods show it. direction: in words, which side of
    the rollback is to blame. evidence, explained: lines; the second are hunks of the difference.
    """

    cause: str
    title: str
    subject: str
    kin: Kin
    where: str
    revision: int
    advice: Advice
    direction: str
    score: float
    evidence: tuple[str, ...]
    explained: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """One line for people."""
        return f"{self.title} ({self.where or 'no workload'}): {self.direction}"

    def to_json(self) -> dict[str, Any]:
        return {
            "cause": self.cause,
            "title": self.title,
            "subject": self.subject,
            "accuses": self.kin.value,
            "workload": self.where,
            "revision": self.revision,
            "advice": self.advice.value,
            "direction": self.direction,
            "score": self.score,
            "evidence": list(self.evidence),
            "explainedBy": list(self.explained),
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the autopsy says as a whole. advice: None where nothing was found. difference: all hunks."""

    suspicions: tuple[Suspicion, ...]
    advice: Advice | None
    sentence: str
    difference: tuple[Hunk, ...]
    notes: tuple[str, ...]


def judge(collected: Collected) -> Judgement:
    """At most three suspicions, the likeliest first."""
    changed = tuple(hunks(collected.previous, collected.current)) if collected.previous else ()
    cpu = frozenset(each.object for each in changed if each.kind == "resources" and each.field.endswith(".cpu"))
    clocks = tuple(skewed(collected))
    made = [
        _suspicion(group, collected, changed, timed=not clocks)
        for group in _groups(symptoms(collected, cpu), collected)
    ]
    made = sorted(made, key=lambda each: (-each.score, each.cause, each.where))[:MOST]
    return Judgement(tuple(made), made[0].advice if made else None, _sentence(made, collected), changed, clocks)


def _sentence(made: Sequence[Suspicion], collected: Collected) -> str:
    if made:
        return f"{made[0].advice.value}: {made[0].sentence}"
    bad = sum(map(failing, collected.of_kind("Pod")))
    if bad:
        return f"{bad} pods are not as they should be, and nothing that is known explains it"
    return "no pod of the release is in trouble, and no log has a known error"


# --- groups ---


@dataclass(frozen=True, slots=True)
class _Group:
    """Symptoms of one cause, about one thing, of one workload. beside: of vague causes of the same workload.

    mine: pods of the current revision show it; others: pods of another one do; failing: of these some that fail.
    """

    cause: Cause
    subject: str
    symptoms: tuple[Symptom, ...]
    beside: tuple[Symptom, ...]
    mine: bool
    others: bool
    failing: bool

    @property
    def workload(self) -> str:
        return self.symptoms[0].origin.workload

    @property
    def old(self) -> bool:
        """Whether all whose revision is known run older code."""
        return all(each.origin.old for each in self.symptoms)


def _groups(found: Sequence[Symptom], collected: Collected) -> list[_Group]:
    found = _directed([each for each in found if each.cause])
    keyed: dict[tuple[str, str, str], list[Symptom]] = {}
    for each in found:
        keyed.setdefault((each.cause, each.subject, each.origin.workload), []).append(each)
    clear = {
        key for key, rows in keyed.items() if not CAUSES[key[0]].vague and max(each.faint for each in rows) > FAINT
    }
    explained = {workload for _, _, workload in clear}
    deeper = {workload for cause, _, workload in clear if cause != "hook"}
    groups = []
    for (cause, subject, workload), rows in keyed.items():
        row = CAUSES[cause]
        if (row.vague and (workload in explained or "" in explained)) or (cause == "hook" and workload in deeper):
            continue
        beside = [
            each for each in found if each.origin.workload == workload and CAUSES[each.cause].vague and each not in rows
        ]
        same = [each for each in found if (each.cause, each.subject) == (cause, subject)]
        mine = any(_is_mine(each, collected) for each in same)
        others = [each for each in same if not _is_mine(each, collected)]
        bad = any(each.faint > SERVING for each in others)
        groups.append(_Group(row, subject, tuple(rows), tuple(beside), mine, bool(others), bad))
    return groups


def _is_mine(symptom: Symptom, collected: Collected) -> bool:
    return symptom.origin.hook or symptom.origin.revision in (0, collected.current.number)


def _directed(found: list[Symptom]) -> list[Symptom]:
    """A schema error says which side is behind by whose pods show it; where both do, neither is."""
    ages: dict[tuple[str, str], set[bool]] = {}
    for each in found:
        ages.setdefault((each.cause, each.subject), set()).add(each.origin.old)
    return [
        each._replace(cause=_SIDES[frozenset(ages[each.cause, each.subject])]) if each.cause == "schema" else each
        for each in found
    ]


_SIDES = {
    frozenset({True}): "schema-ahead",
    frozenset({False}): "schema-behind",
    frozenset({True, False}): "schema-lost",
}


# --- one suspicion ---


def _suspicion(group: _Group, collected: Collected, changed: Sequence[Hunk], *, timed: bool) -> Suspicion:
    close, distant = _explaining(group, collected, changed)
    advice, direction = _direction(group, collected, bool(close or distant))
    seen = sorted(group.symptoms, key=lambda each: (-each.faint, -(each.at.timestamp() if each.at else 0)))
    lines = list(dict.fromkeys(each.line for each in (*seen, *group.beside)))[:EVIDENCE]
    if group.cause.kin is Kin.SCHEMA or group.cause.id == "hook":
        lines += [run.words for run in hook_runs(collected.current)][:2]
    return Suspicion(
        cause=group.cause.id,
        title=_title(group.cause, group.subject),
        subject=group.subject,
        kin=group.cause.kin,
        where=group.workload,
        revision=next((each.origin.revision for each in seen if each.origin.revision), 0),
        advice=advice,
        direction=direction,
        score=round(_score(group, collected, close, distant, timed=timed), 2),
        evidence=tuple(lines),
        explained=tuple(each.words for each in (*close, *distant))[:HUNKS],
    )


def _title(cause: Cause, subject: str) -> str:
    if cause.title.endswith("{}") and not cause.title.endswith((" {}", ": {}")):
        return cause.title[:-2] + (f": {subject}" if subject else "")
    return cause.title.replace("{}", subject or "that they use")


def _score(
    group: _Group, collected: Collected, close: Sequence[Hunk], distant: Sequence[Hunk], *, timed: bool
) -> float:
    outside = group.cause.kin in (Kin.DEPENDENCY, Kin.PLATFORM)
    factor = OUTSIDE if outside or group.cause.kin is Kin.SCHEMA else UNEXPLAINED
    if distant:
        factor = SOFT if group.cause.soft else DISTANT
    if close:
        factor = CLOSE
    if group.mine and group.others and not outside:
        factor *= SHARED
    faint = max(each.faint for each in group.symptoms)
    return group.cause.weight * factor * faint * (_recency(group, collected) if timed else 1.0)


def _recency(group: _Group, collected: Collected) -> float:
    """What has no time is a present state."""
    if any(each.at is None for each in group.symptoms):
        return 1.0
    newest = max(each.at for each in group.symptoms if each.at)
    deployed = collected.current.deployed_at
    if deployed and deployed.tzinfo and newest < deployed - HOOK_SKEW and not group.others:
        return BEFORE
    return _faded(collected.now - newest)


def _faded(age: timedelta) -> float:
    return 1.0 if age <= RECENT else 0.85 if age <= OLD else 0.7


def _direction(group: _Group, collected: Collected, explained: bool) -> tuple[Advice, str]:
    """What follows, and why in a sentence."""
    cause, now = group.cause, collected.current.number
    if cause.id == "migration-dirty":
        return Advice.ROLL_FORWARD, "older code meets the same half-migrated database; mend the migration"
    if group.mine and group.others and group.workload and (group.failing or not explained):
        return Advice.HOLD, "pods of another revision show the same, so a rollback does not help"
    if cause.kin is Kin.SCHEMA and (group.old or cause.id == "schema-ahead"):
        return Advice.ROLL_FORWARD, _ahead(group, now)
    if not group.mine:
        return Advice.HOLD, f"only pods of another revision than the current one ({now}) show it"
    if collected.previous is None:
        first = "there is no earlier revision with other content to go back to"
        return (Advice.ROLL_FORWARD if cause.kin is Kin.RELEASE else Advice.HOLD), first
    if explained:
        return Advice.ROLL_BACK, _explained(group, collected.previous.number, now)
    return Advice.HOLD, _unexplained(cause, collected.previous.number, now)


def _unexplained(cause: Cause, before: int, now: int) -> str:
    words = f"nothing that changed between revisions {before} and {now} explains it"
    if cause.kin in (Kin.PLATFORM, Kin.DEPENDENCY):
        return f"{cause.kin.value} is to blame: {words}, so a rollback does not help"
    return f"{words}, so a rollback may meet the same"


def _ahead(group: _Group, now: int) -> str:
    found = next((each.origin.revision for each in group.symptoms if each.origin.revision), now)
    if group.old:
        return f"the older code of revision {found} meets newer data; going back brings more of it"
    return f"revision {found} itself is behind the database, and an older one is no nearer to it"


def _explained(group: _Group, before: int, now: int) -> str:
    if group.cause.id == "schema-behind":
        return f"revision {now} runs without its migration; revision {before} does not need it"
    return f"revision {now} brought it, revision {before} was without"


# --- what explains it ---


def _explaining(group: _Group, collected: Collected, changed: Sequence[Hunk]) -> tuple[list[Hunk], list[Hunk]]:
    """Hunks about the very thing, and others that may explain it."""
    used = _used_by(group.workload, collected)
    near = [each for each in changed if _concerns(each, group.workload, used)]
    cause = group.cause
    if cause.named:
        return [each for each in near if each.kind in cause.explains and _named(each, group.subject)], []
    new = [each for each in near if each.object == group.workload and each.kind == OBJECT and each.before == NONE]
    if new and cause.kin is not Kin.PLATFORM:
        return new, []
    close = [each for each in near if each.kind in cause.close and _fits(each, cause)]
    distant = [each for each in near if each.kind in cause.explains - cause.close and _fits(each, cause)]
    told = [each for each in distant if each.mentions(_key_in(group.subject))]
    rest = [each for each in distant if each not in told]
    # Where a variable is missing, others that changed have nothing to do with it; new code may.
    if cause.id == "config-missing" and group.subject:
        named = [each for each in close if each.mentions(_key_in(group.subject))]
        return [*named, *told], [] if named or told else [each for each in rest if each.kind == "image"]
    return [*close, *told], rest


def _fits(hunk: Hunk, cause: Cause) -> bool:
    """For causes that are about addresses or credentials: whether the hunk's name is of such a thing."""
    if not cause.places or hunk.kind not in ("env", "config", "secret", "mount"):
        return True
    return re.search(cause.places, f"{hunk.field} {hunk.before} {hunk.after}") is not None


def _named(hunk: Hunk, subject: str) -> bool:
    """Whether a hunk mentions what is missing: "Secret/db", "key url of Secret/db"."""
    names = [part.partition("/")[2] or part for part in subject.split(" of ")]
    return any(hunk.mentions(name.removeprefix("key ")) for name in names[-1:] if name)


def _key_in(subject: str) -> str:
    return subject.upper()


def _concerns(hunk: Hunk, workload: str, used: set[str]) -> bool:
    if hunk.object == workload or not workload:
        return True
    if hunk.kind in (CONFIG, SECRET, OBJECT, "account", "claim"):
        return hunk.object in used
    return hunk.kind in ("network", "quota", "hook", "replicas") and not _is_workload(hunk.object)


def _is_workload(name: str) -> bool:
    return name.partition("/")[0] in ("Deployment", "StatefulSet", "DaemonSet", "Rollout", "CloneSet")


def _used_by(workload: str, collected: Collected) -> set[str]:
    """What the workload's pods refer to, in either revision, as "Secret/db"."""
    found = set()
    for side in collected.sides:
        for template in _templates(workload, side.objects.items(), side.hooks):
            found |= {str(each) for each in references_of(template)}
    return found


def _templates(workload: str, objects: Iterable[Any], hooks: Iterable[Any]) -> Iterable[Object]:
    yield from (pod_template(obj) for ref, obj in objects if str(ref) == workload)
    yield from (pod_template(obj) for hook in hooks if f"{hook.kind}/{hook.name}" == workload for obj in hook.objects)
