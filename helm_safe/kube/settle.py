"""Whether a write whose answer was lost has happened: judged from the object as it is now.

Pure functions over the intended change and the object that was read again; three answers, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from helm_safe.core.annotations import RUN_LABEL
from helm_safe.core.objects import Object, dig, labels_of, mapping
from helm_safe.core.redact import hash_secret

CLOCK_STEP = timedelta(seconds=1)
"""creationTimestamp and the Date header count whole seconds."""
_SERVER_FIELDS = {"resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"}


def patched(kind: str, patch: Any, live: Object) -> bool | None:
    """Whether the object carries what the patch wants; None where its present state cannot tell."""
    if kind == "merge":
        return _merged(patch, live)
    if kind == "json":
        return _operated(patch, live)
    # What an apply or a strategic patch would remove cannot be seen in its text: send it again, bound to this version.
    return False


def precondition(kind: str, patch: Any) -> str:
    """The resourceVersion that the patch itself demands, or ""."""
    if kind != "json":
        return str(dig(patch, "metadata", "resourceVersion") or "")
    for step in patch:
        if step.get("op") == "test" and step.get("path") == "/metadata/resourceVersion":
            return str(step.get("value") or "")
    return ""


def bound(kind: str, patch: Any, version: str) -> Any:
    """The patch, valid only while the object is at this resourceVersion."""
    if kind == "json":
        return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *patch]
    return {**patch, "metadata": {**mapping(patch, "metadata"), "resourceVersion": version}}


def created(wanted: Object, live: Object, began: datetime | None) -> bool:
    """Whether the object that is there is the one that we sent: our run's label, or our content and not older."""
    run = labels_of(wanted).get(RUN_LABEL)
    if run:
        return labels_of(live).get(RUN_LABEL) == run
    return not older(live, began) and covers(_comparable(live), _comparable(wanted))


def older(live: Object, began: datetime | None) -> bool:
    """Whether the object existed before `began` (the API server's clock); False where that is not known."""
    stamp = str(dig(live, "metadata", "creationTimestamp") or "")
    try:
        born = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return False
    return began is not None and born < began - CLOCK_STEP


def covers(live: Any, wanted: Any) -> bool:
    """Whether every value that is wanted is there; what else is there (defaults) does not count."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            covers(live.get(key), value) for key, value in wanted.items() if value is not None
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) >= len(wanted)
            and all(covers(there, value) for there, value in zip(live, wanted, strict=False))
        )
    return bool(live == wanted)


def _comparable(obj: Object) -> Object:
    plain = hash_secret(obj)
    metadata = {key: value for key, value in mapping(plain, "metadata").items() if key not in _SERVER_FIELDS}
    return {**plain, "metadata": metadata}


def _merged(patch: Any, live: Any) -> bool:
    if not isinstance(patch, dict):
        return bool(patch == live)
    there = live if isinstance(live, dict) else {}
    return all(_agrees(value, there.get(key)) for key, value in patch.items() if not _guards(key, there))


def _agrees(wanted: Any, there: Any) -> bool:
    if wanted is None:
        return there is None
    return _merged(wanted, there)


def _guards(key: str, there: Mapping[str, Any]) -> bool:
    """Whether this key of a patch's metadata is a condition and no content."""
    return key in ("resourceVersion", "uid") and "creationTimestamp" in there


def _operated(steps: Any, live: Object) -> bool | None:
    verdicts = [_done(step, live) for step in steps if step.get("op") != "test"]
    if None in verdicts:
        return None
    return all(verdicts)


def _done(step: Mapping[str, Any], live: Object) -> bool | None:
    path = [part.replace("~1", "/").replace("~0", "~") for part in str(step.get("path")).split("/")[1:]]
    parent = dig(live, *(int(part) if part.isdigit() else part for part in path[:-1])) if len(path) > 1 else live
    operation = step.get("op")
    if isinstance(parent, list):
        replaced = operation == "replace" and path[-1].isdigit() and int(path[-1]) < len(parent)
        return bool(parent[int(path[-1])] == step.get("value")) if replaced else None
    present = isinstance(parent, dict) and path[-1] in parent
    if operation == "remove":
        return not present
    if operation in ("add", "replace"):
        return bool(present and parent[path[-1]] == step.get("value"))
    return None
