"""Settings of the same container in both revisions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.doubles import command_of, environment, texts
from helm_safe.checks.facts import Workload, workloads
from helm_safe.core.objects import Object
from helm_safe.core.workloads import containers, images, pod_template
from helm_safe.model.snapshot import Snapshot

_LINE = re.compile(r"^\s*(?:- )?(?:--)?([A-Za-z][\w.-]{2,120})\s*[=:]\s*[\"']?([^\s\"'#]{1,200})", re.MULTILINE)
_ARGUMENT = re.compile(r"(?:^|\s)-{1,2}D?([A-Za-z][\w.-]{2,120})[= ](\S{1,200})")


def recoded(snapshot: Snapshot) -> Iterator[Workload]:
    """The target's workloads whose image the rollback changes."""
    for workload in workloads(snapshot.change.target, long_running=True):
        now = pod_template(snapshot.change.current.objects.get(workload.ref, {}))
        if now and images(now) != images(workload.template):
            yield workload


def kept(snapshot: Snapshot) -> Iterator[Workload]:
    """The target's workloads that the current revision has as well."""
    found = workloads(snapshot.change.target, long_running=True)
    return (workload for workload in found if workload.ref in snapshot.change.current.objects)


def both(snapshot: Snapshot, workload: Workload) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """The variables of a workload's containers in the current revision and in the target; None: a value is unknown."""
    current = snapshot.change.current
    now = workload._replace(obj=current.objects.get(workload.ref, {}))
    pairs = []
    for each, revision in ((now, current), (workload, snapshot.change.target)):
        settings = (s for c in containers(each.template) for s in environment(snapshot, each, c, revision))
        pairs.append({setting.name: setting.value for setting in settings})
    return pairs[0], pairs[1]


def written(snapshot: Snapshot, workload: Workload, words: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The same for what stands in arguments and mounted files: "group.id" -> "orders".

    words: a file with none of them is not read; most have none.
    """
    current = snapshot.change.current
    now = workload._replace(obj=current.objects.get(workload.ref, {}))
    before = [text for _, text in texts(snapshot, now, current) if any(word in text for word in words)]
    after = [text for _, text in texts(snapshot, workload) if any(word in text for word in words)]
    return _written(now.template, before), _written(workload.template, after)


def _written(template: Object, files: list[str]) -> dict[str, str]:
    found = {key: value for text in files for key, value in _LINE.findall(text)}
    for container in containers(template):
        found |= dict(_ARGUMENT.findall(command_of(container)))
    return found
