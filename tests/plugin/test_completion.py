"""What shells are offered, and the scripts that ask."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helm_safe.cli import candidates
from helm_safe.cli.candidates import complete, joined
from helm_safe.cli.completion import SCRIPTS
from helm_safe.cli.main import main

# Answers like `helm __complete rollback [RELEASE] ""`, and writes down which namespace it was asked for.
HELM = """\
#!/bin/sh
echo "$HELM_NAMESPACE" > "$(dirname "$0")/asked"
echo noise >&2
case "$*" in
    '__complete rollback ') printf 'api\\tdemo-1.0.0 -> deployed\\nweb\\t\\033[31mred\\033[0m\\n$(touch x)\\tevil\\n:4\\n' ;;
    '__complete rollback api ') printf '1\\tApp: 1\\n12\\tApp: 2\\n:4\\n' ;;
    *) echo ':1' ;;
esac
"""


@pytest.fixture(autouse=True)
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "helm"
    path.write_text(HELM)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HELM_BIN", str(path))
    return path


def values(*words: str) -> list[str]:
    return [value for value, _ in complete(words).candidates]


def test_the_first_word_is_a_release_or_a_command() -> None:
    found = values("")
    assert found[:2] == ["api", "web"]
    assert {"plan", "status", "sandbox"} <= set(found)
    assert "__complete" not in found


def test_what_was_typed_narrows_the_offer() -> None:
    assert values("ap") == ["api"]
    assert values("st") == ["status"]


def test_revisions_follow_a_release() -> None:
    assert values("api", "") == ["1", "12"]
    assert values("plan", "api", "1") == ["1", "12"]
    assert values("plan", "api", "1", "") == []


def test_after_run_only_releases_are_offered() -> None:
    assert values("run", "") == ["api", "web"]


def test_a_command_without_revision_offers_none() -> None:
    assert values("status", "") == ["api", "web"]
    assert values("status", "api", "") == []


@pytest.mark.parametrize(
    "words", [("-n", "shop", "plan", ""), ("plan", "--namespace=shop", ""), ("plan", "-n", "shop", "")]
)
def test_flags_of_the_line_choose_where_to_ask(helm: Path, words: tuple[str, ...]) -> None:
    assert values(*words) == ["api", "web"]
    assert (helm.parent / "asked").read_text() == "shop\n"


def test_flags_are_offered_where_a_dash_stands() -> None:
    found = values("plan", "--ac")
    assert found == ["--accept"]
    assert "--yes" not in values("plan", "-")


@pytest.mark.parametrize(
    "words", [("plan", "-o", "j"), ("plan", "--output", "j"), ("plan", "--output=j"), ("plan", "--output", "=", "j")]
)
def test_values_of_a_flag_are_offered(words: tuple[str, ...]) -> None:
    assert values(*words) == ["json"]


def test_files_are_offered_where_a_file_is_wanted() -> None:
    assert complete(["plan", "--kubeconfig", ""]).files
    assert not complete(["plan", ""]).files


def test_names_that_could_not_be_typed_safely_are_not_offered_and_help_is_printable() -> None:
    offered = dict(complete([""]).candidates)
    assert not any("touch" in value for value in offered)
    assert "\x1b" not in offered["web"]


@pytest.mark.parametrize("words", [["doctor", ""], ["--", ""], ["completion", "bash", ""], [], ["-"]])
def test_odd_lines_do_not_hurt(words: list[str]) -> None:
    complete(words)


@pytest.mark.parametrize("broken", ["missing", "silent", "hangs"])
def test_without_an_answer_of_helm_the_rest_is_offered(
    helm: Path, broken: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "PATIENCE", 0.3)
    helm.unlink()
    if broken != "missing":
        helm.write_text("#!/bin/sh\nexit 1\n" if broken == "silent" else "#!/bin/sh\nexec sleep 30\n")
        helm.chmod(0o755)
    assert main(["__complete", "p"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[0].startswith("plan\t")
    assert out.splitlines()[-1] == ":4"
    assert err == ""


def test_words_with_an_equals_sign_are_cut() -> None:
    assert joined(["--a=b", "--c", "=", "d", "e=f", "--g", "="]) == ["--a", "b", "--c", "d", "e=f", "--g", ""]


class TestScripts:
    """The scripts ask the program; each is run by its own shell."""

    @pytest.fixture
    def program(self, tmp_path: Path) -> dict[str, str]:
        """An environment in which `helm-safe` is this code."""
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "helm-safe").write_text(f'#!/bin/sh\nexec {sys.executable} -m helm_safe "$@"\n')
        (folder / "helm-safe").chmod(0o755)
        root = str(Path(candidates.__file__).parents[2])
        return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": root, "HOME": str(tmp_path)}

    def ask(self, shell: str, script: str, environ: dict[str, str]) -> str:
        if not shutil.which(shell):
            pytest.skip(f"there is no {shell} here")
        done = subprocess.run([shell, "-c", script], env=environ, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout

    @pytest.mark.parametrize(
        ("line", "offer"),
        [("helm-safe pl", "plan"), ("helm-safe plan api 1", "1 12"), ("helm-safe plan --output = y", "yaml")],
    )
    def test_bash(self, program: dict[str, str], line: str, offer: str) -> None:
        script = f"{SCRIPTS['bash']}COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _helm_safe; echo ${{COMPREPLY[*]}}"
        assert self.ask("bash", script, program).strip() == offer

    def test_bash_offers_all_on_an_empty_word(self, program: dict[str, str]) -> None:
        script = f"{SCRIPTS['bash']}COMP_WORDS=(helm-safe plan ''); COMP_CWORD=2; _helm_safe; echo ${{COMPREPLY[*]}}"
        assert self.ask("bash", script, program).strip() == "api web"

    def test_zsh(self, program: dict[str, str]) -> None:
        fake = 'compdef() { :; }; _describe() { print -rl -- "${(@P)${@[-1]}}"; }; _files() { print files; }\n'
        script = f"{fake}{SCRIPTS['zsh']}words=(helm-safe plan ''); CURRENT=3; _helm_safe"
        assert self.ask("zsh", script, program).splitlines()[0] == "api:demo-1.0.0 -> deployed"
        script = f"{fake}{SCRIPTS['zsh']}words=(helm-safe plan --kubeconfig ''); CURRENT=4; _helm_safe"
        assert self.ask("zsh", script, program) == "files\n"

    def test_fish(self, program: dict[str, str]) -> None:
        script = f"{SCRIPTS['fish']}complete -C 'helm-safe pl'; complete -C 'helm-safe plan '"
        lines = self.ask("fish", script, program).splitlines()
        assert lines[0].startswith("plan\t")
        assert lines[1].split("\t") == ["api", "demo-1.0.0 -> deployed"]


@pytest.mark.parametrize("shell", list(SCRIPTS))
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == SCRIPTS[shell]
