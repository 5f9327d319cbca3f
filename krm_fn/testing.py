"""Golden folders for whoever writes a function: one folder per case, compared with what the function really does.

    <case>/_fnconfig.yaml    the function's config
    <case>/*.yaml, Kptfile   the objects that come in, in the order of the file names
    <case>/_expected.yaml    what goes out, character by character; nothing where the run has to fail
    <case>/_results.yaml     the results, with the exit code and the message of a run that has to fail

A test of three lines, with pytest:

    @pytest.mark.parametrize("folder", golden_folders(HERE / "golden"), ids=lambda folder: folder.name)
    def test_golden(folder):
        check_golden(folder, [FUNCTION])

`KRM_GOLDEN=write` rewrites the expected files, and the test still fails: rewritten files want a look before they count.
Each case also runs on its own output (nothing more may change) and as a ResourceList of Kustomize and of kpt (the
objects must be the same).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helm_safe.core.yamlio import dump, load, load_all
from krm_fn.errors import KrmError
from krm_fn.function import Function
from krm_fn.process import Outcome, process, process_stream
from krm_fn.resourcelist import KUSTOMIZE_ID
from krm_fn.results import to_json

_CONFIG, _EXPECTED, _RESULTS = "_fnconfig.yaml", "_expected.yaml", "_results.yaml"


class GoldenMismatch(AssertionError):
    """What came out is not what the folder holds."""


def golden_folders(root: Path) -> list[Path]:
    """The cases below a folder. Raises FileNotFoundError when there is none: a test of nothing is no test."""
    found = sorted(path.parent for path in root.rglob(_CONFIG))
    if not found:
        raise FileNotFoundError(f"no folder with {_CONFIG} below {root}")
    return found


def check_golden(folder: Path, functions: Sequence[Function]) -> None:
    """Run one case. Raises GoldenMismatch, also when it has just rewritten the folder."""
    text, config = _stream(folder), load((folder / _CONFIG).read_text())
    outcome = _run(text, config, functions)
    actual = {_EXPECTED: outcome.output, _RESULTS: _results(outcome)}
    if os.environ.get("KRM_GOLDEN") == "write":
        _rewrite(folder, actual)
    for name, content in actual.items():
        _compare(folder / name, content)
    if outcome.exit_code == 0:
        _twice(folder, outcome.output, config, functions)
    if outcome.exit_code == 0 and not any(each.finding.check == "KRM-003" for each in outcome.results):
        _as_lists(folder, text, config, outcome.output, functions)


def _stream(folder: Path) -> str:
    files = sorted(each for each in folder.iterdir() if not each.name.startswith("_") and _is_input(each))
    return "---\n".join(each.read_bytes().decode() for each in files)


def _is_input(path: Path) -> bool:
    return path.suffix in (".yaml", ".yml") or path.name == "Kptfile"


def _run(text: str, config: Any, functions: Sequence[Function]) -> Outcome:
    try:
        return process_stream(text, config, functions)
    except KrmError as error:
        return Outcome("", (str(error),), error.exit_code)


def _results(outcome: Outcome) -> str:
    found: list[Any] = [to_json(each) for each in outcome.results]
    if outcome.exit_code:
        found.append({"exitCode": outcome.exit_code, "messages": list(outcome.messages)})
    return dump(found) if found else ""


def _compare(path: Path, actual: str) -> None:
    from difflib import unified_diff

    expected = path.read_bytes().decode() if path.exists() else ""
    if expected != actual:
        lines = unified_diff(expected.splitlines(), actual.splitlines(), str(path), "actual", lineterm="")
        raise GoldenMismatch("\n".join(["the output differs; KRM_GOLDEN=write rewrites the file", *lines]))


def _rewrite(folder: Path, actual: dict[str, str]) -> None:
    changed = []
    for name, content in actual.items():
        path = folder / name
        before = path.read_bytes().decode() if path.exists() else ""
        if before != content:
            changed.append(name)
            path.write_bytes(content.encode()) if content else path.unlink()
    if changed:
        raise GoldenMismatch(f"{folder.name}: {', '.join(changed)} rewritten; look at the difference and run again")


def _twice(folder: Path, output: str, config: Any, functions: Sequence[Function]) -> None:
    again = process_stream(output, config, functions).output
    if again != output:
        raise GoldenMismatch(f"{folder.name}: a second run changes the output of the first")


def _as_lists(folder: Path, text: str, config: Any, output: str, functions: Sequence[Function]) -> None:
    """The same objects must come out when Kustomize or kpt calls."""
    expected = _objects(output)
    for marker in ({KUSTOMIZE_ID: "x"}, {"internal.config.kubernetes.io/path": "a.yaml"}):
        items = [_marked(each, marker) for each in _objects(text)]
        body = {
            "apiVersion": "config.kubernetes.io/v1",
            "kind": "ResourceList",
            "items": items,
            "functionConfig": config,
        }
        for written in (json.dumps(body), dump(body)):
            found = load(process(written, functions).output)["items"]
            if _unmarked(found, marker) != _unmarked(expected, marker):
                raise GoldenMismatch(f"{folder.name}: as a ResourceList other objects come out")


def _objects(text: str) -> list[Any]:
    from helm_safe.core.objects import flatten_lists

    return list(flatten_lists(load_all(text)))


def _unmarked(objects: list[Any], marker: dict[str, str]) -> list[str]:
    """Without what the orchestrator writes, in an order of ours: a new object may stand anywhere in a list."""
    plain = []
    for each in objects:
        annotations = {**(each["metadata"].get("annotations") or {})}
        kept = {key: value for key, value in annotations.items() if key not in marker}
        plain.append(
            json.dumps({**each, "metadata": {**each["metadata"], "annotations": kept}}, sort_keys=True, default=str)
        )
    return sorted(plain)


def _marked(obj: dict[str, Any], marker: dict[str, str]) -> dict[str, Any]:
    metadata = dict(obj["metadata"])
    return {**obj, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **marker}}}
