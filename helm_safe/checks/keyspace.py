"""CACHE-001: two versions of the code share what one of them cached."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from helm_safe.checks.base import CONFIG_MAP, INFO, WARNING, Check
from helm_safe.checks.facts import Workload
from helm_safe.checks.settings import both, recoded
from helm_safe.core.findings import Finding
from helm_safe.model.snapshot import Snapshot

_CACHE = re.compile(
    r"(?:\w+_)?(?:REDIS|VALKEY|MEMCACHED?|CACHE)_(?:URL|URI|HOST|HOSTS|ADDR|ADDRESS|SERVERS?|SERVICE_HOST|DSN)"
    r"|SPRING_(?:DATA_)?REDIS_\w+|SPRING_CACHE_\w+"
)
# By which a team tells two formats apart; a version says so on purpose.
_PREFIX = re.compile(r"(?:\w+_)?(?:CACHE|REDIS)_(?:KEY_)?(?:PREFIX|NAMESPACE)|SPRING_CACHE_REDIS_KEY_PREFIX|KEY_PREFIX")
_VERSION = re.compile(r"(?:\w+_)?CACHE_VERSION|RAILS_CACHE_VERSION|(?:\w+_)?CACHE_(?:SCHEMA|FORMAT)(?:_VERSION)?")


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    quiet: list[tuple[Workload, str]] = []
    for workload in recoded(snapshot):
        before, after = both(snapshot, workload)
        where = next((name for name, value in after.items() if _CACHE.fullmatch(name) and value != ""), "")
        spaces = [name for name in after if _PREFIX.fullmatch(name) or _VERSION.fullmatch(name)]
        if not where or _apart(before, after, spaces):
            continue
        shared = next((name for name in spaces if _PREFIX.fullmatch(name)), "")
        if shared and not any(_VERSION.fullmatch(name) for name in spaces):
            words = f"the key prefix {shared} is the same in both revisions"
            yield _finding(snapshot, [workload], words, (where, shared))
        else:
            quiet.append((workload, where))
    if quiet:
        words = "no variable gives the formats keys of their own"
        variables = tuple(dict.fromkeys(where for _, where in quiet))
        yield _finding(snapshot, [each for each, _ in quiet], words, variables)._replace(severity=INFO)


def _apart(before: Mapping[str, str | None], after: Mapping[str, str | None], names: list[str]) -> bool:
    """Whether the revisions say that their keys differ."""
    return any(name in before and before[name] != after[name] for name in names)


def _finding(snapshot: Snapshot, users: list[Workload], words: str, variables: tuple[str, ...]) -> Finding:
    who = ", ".join(str(each.ref) for each in users[:5])
    return Finding(
        CHECK.id,
        WARNING,
        f"Older code of {who} will read what revision {snapshot.change.current.number} put into its cache: {words}.",
        object=str(users[0].ref),
        evidence=tuple(f"variable {each}" for each in variables[:10]),
        remediation="If a cached format changed since, let the old code use another prefix, or remove those keys (SCAN"
        " and UNLINK) before it starts.",
    )


CHECK = Check(
    "CACHE-001",
    "One key space, two formats",
    WARNING,
    "Pods whose image goes back use Redis, Valkey or Memcached, and the prefix of their keys is the same in both"
    " revisions: what the newer code cached is read by the older one. Information where no prefix is visible or"
    " where the team's own version of its cache format is unchanged.",
    "Version the prefix of cached keys in the chart.",
    _run,
    needs=(CONFIG_MAP,),
)
