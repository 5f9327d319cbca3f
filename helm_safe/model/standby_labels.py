"""What the standby's pods wear: missed by what steers the live pods, and met by as much as possible of the rest.

The live Services, the Deployment (through it the autoscaler) and the disruption budgets must miss the standby's pods.
As few labels as possible change, since policies and monitors may select by them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from helm_safe.core.annotations import STANDBY_LABEL
from helm_safe.core.objects import Object, ObjectRef, label_selector_matches, mapping, selects
from helm_safe.core.workloads import template_labels
from helm_safe.model.changes import Change
from helm_safe.model.own import CannotStandBy, Owner, ours
from helm_safe.model.staging import Staged, short

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]

# Keys that other selectors lean on most, the most leaned on last; any other key is changed before these.
_KEPT = ("app.kubernetes.io/instance", "app.kubernetes.io/name", "app")


class Selector(NamedTuple):
    """What selects pods: whose it is, for people, and whether it matches a set of labels."""

    owner: str
    matches: Matches


class StandbyLabels(NamedTuple):
    """worn: the labels of the standby's pods. returned: original values of those that were changed."""

    worn: dict[str, str]
    returned: dict[str, str]

    @property
    def joined(self) -> dict[str, str]:
        """The labels with which the live Services select the standby's pods too."""
        return {**self.worn, **self.returned}


def labels_of_standby(
    staged: Staged, change: Change, live: Mapping[ObjectRef, Object], owner: Owner, keep: Iterable[Matches] = ()
) -> StandbyLabels:
    """The labels for the standby of one workload. keep: selectors that had better go on matching, where keys tie.

    Raises CannotStandBy where a selector matches whatever is changed.
    """
    original = {str(key): str(value) for key, value in template_labels(change.target.objects[staged.workload]).items()}
    marks = {**owner.marks, STANDBY_LABEL: staged.standby}
    avoid = list(_steering(staged.workload, change, live))
    kept = [matches for matches in keep if matches({**original, **marks})]
    changed: dict[str, str] = {}
    while caught := [each for each in avoid if each.matches({**original, **changed, **marks})]:
        key = _next_key({**original, **changed}, marks, changed, caught, kept)
        changed[key] = changed_value(original[key])
    return StandbyLabels({**original, **changed, **marks}, {key: original[key] for key in changed})


def changed_value(value: str) -> str:
    """Another value for a label, legal where the old one was."""
    return short(value) if value else "standby"


def seen_with(
    target: Mapping[ObjectRef, Object], live: Mapping[ObjectRef, Object], namespace: str
) -> Iterator[tuple[ObjectRef, Object]]:
    """Live objects of a namespace and the target's, our own left out; an object may come in both its shapes."""
    for objects in (live, target):
        for ref, obj in objects.items():
            if ref.namespace == namespace and not ours(obj):
                yield ref, obj


def _next_key(
    labels: Labels, marks: Labels, changed: Collection[str], caught: list[Selector], kept: list[Matches]
) -> str:
    """The key whose change frees the pods from most selectors, then costs the fewest of those worth keeping."""
    ranks = {}
    for key in labels.keys() - set(changed):
        tried = {**labels, key: changed_value(labels[key]), **marks}
        freed = sum(not each.matches(tried) for each in caught)
        if freed:
            lost = sum(not matches(tried) for matches in kept)
            ranks[key] = (-freed, lost, _KEPT.index(key) + 1 if key in _KEPT else 0, key)
    if not ranks:
        raise CannotStandBy(f"{caught[0].owner} would select the standby's pods too, whatever value their labels have")
    return min(ranks, key=ranks.__getitem__)


def _steering(workload: ObjectRef, change: Change, live: Mapping[ObjectRef, Object]) -> Iterator[Selector]:
    """The selectors that must miss the standby's pods."""
    for ref, obj in seen_with(change.target.objects, live, workload.namespace):
        if (ref.group, ref.kind) == ("", "Service"):
            yield Selector(str(ref), partial(selects, mapping(obj, "spec", "selector")))
        elif ref == workload or (ref.group, ref.kind) == ("policy", "PodDisruptionBudget"):
            selector = mapping(obj, "spec", "selector")
            # An empty selector of a budget counts every pod of the namespace anyway.
            if selector:
                yield Selector(str(ref), partial(label_selector_matches, selector))
