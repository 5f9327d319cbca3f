"""CACHE-002: keys in Redis are of another type or format than when the target ran."""

from __future__ import annotations

from collections.abc import Iterator

from helm_safe.checks.base import ERROR, WARNING, Check
from helm_safe.core.findings import Finding
from helm_safe.model.redis_changes import changes
from helm_safe.model.snapshot import Snapshot


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    then, now = snapshot.state.then, snapshot.state.now
    if not (then and now and then.redis and now.redis):
        return
    seen = f"{now.redis.sampled} of {now.redis.keys} keys were looked at"
    for each in changes(then.redis, now.redis):
        yield Finding(
            CHECK.id,
            ERROR if each.breaks else WARNING,
            f"Keys {each.family} {each.words}.",
            object=each.family,
            evidence=(f"L4: Redis then and now; {seen}",),
            remediation="Let the old code use another prefix, or remove these keys (SCAN and UNLINK) before it starts.",
        )


CHECK = Check(
    "CACHE-002",
    "Keys of another format",
    ERROR,
    "A family of Redis keys has another type or its values another format than in the target's snapshot: old code ends"
    " with WRONGTYPE or cannot decode them.",
    "Version the prefix, or remove the keys as a step of the plan.",
    _run,
)
