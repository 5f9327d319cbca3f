"""The laws of the code base: import directions, lean start-up, sizes; each seen to break on a planted violation."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("helm_safe", "krm_fn")
HEAVY = {"kubernetes", "rich", "jinja2", "urllib3", "tenacity", "yaml", "aiohttp", "argparse", "subprocess", "asyncio"}


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([str(tool), "--no-cache"], cwd=root, capture_output=True, text=True, check=False)


def copy_tree(to: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, to / package, ignore=shutil.ignore_patterns("__pycache__", "gomod"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("helm_safe/model/plan.py", "import helm_safe.rollback.runner", "Layers"),
        ("helm_safe/checks/base.py", "import helm_safe.helm.storage", "Layers"),
        ("helm_safe/rollback/watch.py", "import kubernetes", "Only kube imports kubernetes"),
        ("helm_safe/cli/plan.py", "import rich", "Only report imports rich"),
        ("helm_safe/core/objects.py", "import subprocess", "The middle is pure"),
        ("krm_fn/__init__.py", "import helm_safe.model.plan", "krm_fn knows only core"),
    ],
)
def test_a_planted_import_breaks_its_contract(tmp_path: Path, file: str, line: str, contract: str) -> None:
    """Each import contract notices the import that it forbids."""
    planted = copy_tree(tmp_path) / file
    planted.write_text(planted.read_text() + f"\n{line}\n")
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    assert any(contract in row and "BROKEN" in row for row in result.stdout.splitlines()), result.stdout


def test_a_new_package_must_be_placed(tmp_path: Path) -> None:
    """A package that no layer names is refused."""
    copy_tree(tmp_path)
    (tmp_path / "helm_safe" / "extra").mkdir()
    (tmp_path / "helm_safe" / "extra" / "__init__.py").write_text("")
    assert lint_imports(tmp_path).returncode != 0


def loaded_by(code: str) -> set[str]:
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint('\\n'.join(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in result.stdout.splitlines()}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], []])
def test_start_up_is_lean(arguments: list[str]) -> None:
    """Help and version import nothing heavy."""
    loaded = loaded_by(f"from helm_safe.cli.main import main\nmain({arguments!r})")
    assert loaded & HEAVY == set()


def test_krm_fn_is_lean() -> None:
    """The function's package loads neither kubernetes, rich, jinja2 nor dataclasses."""
    code = "import krm_fn.main, krm_fn.functions\nkrm_fn.functions.known_functions()\nimport krm_fn.injectors.probes"
    loaded = loaded_by(f"sys.path[:0] = {[path for path in sys.path if 'site-packages' in path]!r}\n{code}")
    assert "yaml" in loaded
    assert loaded & {"kubernetes", "rich", "jinja2", "dataclasses", "json", *HEAVY - {"yaml"}} == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    """Modules have a docstring and under 400 lines, functions under 60."""
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert text.count("\n") < 400
    long = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno > 60
    ]
    assert long == []


def test_the_version_is_said_once() -> None:
    """plugin.yaml carries the version of the package."""
    from helm_safe import __version__

    assert f"version: {__version__}\n" in (ROOT / "plugin.yaml").read_text().replace('"', "")


def test_ci_runs_the_readme_command() -> None:
    """What CI runs is what the README tells a stranger to run."""
    command = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert command in (ROOT / "README.md").read_text()
