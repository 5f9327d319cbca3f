"""Every golden folder: what RolloutDefaults makes of real manifests, character by character."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from krm_fn.functions import known_functions
from krm_fn.testing import GoldenMismatch, check_golden, golden_folders

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("folder", golden_folders(GOLDEN), ids=lambda folder: folder.name)
def test_golden(folder: Path) -> None:
    check_golden(folder, known_functions())


def test_rewriting_still_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewritten files want a look: the run that wrote them fails, the next one passes."""
    monkeypatch.delenv("KRM_GOLDEN", raising=False)
    case = shutil.copytree(GOLDEN / "node-declared-port", tmp_path / "case")
    (case / "_expected.yaml").write_text("something else\n")
    with pytest.raises(GoldenMismatch, match="differs"):
        check_golden(case, known_functions())
    monkeypatch.setenv("KRM_GOLDEN", "write")
    with pytest.raises(GoldenMismatch, match="rewritten"):
        check_golden(case, known_functions())
    check_golden(case, known_functions())


def test_a_folder_without_cases_is_no_test(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        golden_folders(tmp_path)
