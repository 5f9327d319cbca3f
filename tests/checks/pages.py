"""One page per check, docs/checks/ID.md: `python -m tests.checks.pages` writes them.

The example of a page is the first world of its check in tests/checks/cases: its input, and what the check really says.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helm_safe.checks import CHECKS
from helm_safe.checks.base import Check
from helm_safe.checks.run import all_checks
from helm_safe.core.objects import Object, ObjectRef
from helm_safe.core.yamlio import dump
from helm_safe.model.photograph import Photograph
from helm_safe.model.revisions import Revision
from helm_safe.model.snapshot import Snapshot
from helm_safe.registry import resolve
from tests.checks.cases import CASES
from tests.checks.world import Case

FOLDER = Path(__file__).parents[2] / "docs" / "checks"
MAX_OBJECTS = 6


def pages() -> dict[str, str]:
    """Name of the file -> its text."""
    return {f"{check.id}.md": page(check) for check in all_checks()}


def page(check: Check) -> str:
    case = next(each for each in CASES if each.check == check.id and each.fires)
    snapshot = case.make()
    finding = next(iter(resolve(CHECKS[check.id]).run(snapshot)))
    reads = ", ".join(sorted({kind for _, kind in check.needs})) or "release records, and what was asked for"
    return f"""# {check.id}: {check.title}

{check.summary}

| | |
|---|---|
| usual severity | {check.severity.value} |
| reads | {reads} |
| can be accepted | {"yes: `--accept " + check.id + '="why this is safe now"`, or a waiver of the policy with an end' if check.waivable else "no"} |

**What to do:** {check.remedy}

## Example: {case.name.replace("_", " ")}

Input:

```yaml
{dump(described(snapshot, case)).strip()}
```

Finding:

```yaml
{dump(finding.to_json()).strip()}
```

This page is generated; a test runs its example.
"""


def described(snapshot: Snapshot, _case: Case) -> dict[str, Any]:
    """What the check was given, without what is the same everywhere."""
    change = snapshot.change
    current = {ref: obj for ref, obj in change.current.objects.items() if change.target.objects.get(ref) != obj}
    live = {ref: obj for ref, obj in snapshot.live.items() if change.current.objects.get(ref) != obj}
    body: dict[str, Any] = {
        f"revision {change.target.number}, the target": revision(change.target, change.target.objects),
        f"revision {change.current.number}, the current one": revision(change.current, current),
        "live, where it differs": objects(live),
        "the cluster says": {
            **{f"dry run of {ref}": answer.message or answer.status for ref, answer in snapshot.dry_run.items()},
            **{f"may {verb}": allowed for verb, allowed in snapshot.permitted.items() if not allowed},
        },
        "planned": {
            "workloads with a standby": [str(each.workload) for each in snapshot.staging.staged],
            "route that cannot be split": list(snapshot.crooked),
            "the gateway": snapshot.blind,
            "queries without an answer": [str(each) for each in snapshot.unanswered],
        },
        "with the target": photograph(snapshot.state.then),
        "now": photograph(snapshot.state.now),
        "not read": dict(snapshot.state.unread),
    }
    return {name: shown for name, each in body.items() if (shown := without_empty(each))}


def without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: shown for key, each in value.items() if (shown := without_empty(each)) not in ({}, [], "", None)}
    return value


def revision(each: Revision, shown: Mapping[ObjectRef, Object]) -> dict[str, Any]:
    hooks = {f"{hook.kind}/{hook.name} ({', '.join(hook.events)})": hook.phase or "no result" for hook in each.hooks}
    return {
        "status": each.status.value,
        "description": each.description,
        "hooks": hooks,
        "CRD files": list(each.crds),
        "objects": objects(shown),
    }


def objects(found: Mapping[ObjectRef, Object]) -> list[Object]:
    return [dict(obj) for obj in list(found.values())[:MAX_OBJECTS]]


def photograph(taken: Photograph | None) -> dict[str, Any]:
    body = taken.to_json() if taken else {}
    return {name: body[name] for name in ("database", "redis", "kafka", "config", "boots") if body.get(name)}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(wanted)} pages\n")


if __name__ == "__main__":
    main()
