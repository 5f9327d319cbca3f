"""The helm binary: found, asked, started, and what of its output may be seen."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helm_safe.helm import binary
from helm_safe.helm.binary import HelmBinary, find_helm, parse_version
from helm_safe.model.errors import OutcomeUnknown, UsageError
from helm_safe.model.revisions import Release
from helm_safe.model.snapshot import HelmVersion

RELEASE = Release("shop", "api")


def script(path: Path, body: str, *, version: str = "v4.3.1") -> Path:
    """A program that answers like helm when asked for its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nif [ "$1" = version ]; then echo {version}; exit 0; fi\n{body}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def helm(path: Path, **environ: str) -> HelmBinary:
    return find_helm({"PATH": os.environ["PATH"], "HELM_BIN": str(path), **environ})


class TestFind:
    def test_the_helm_that_called_us_is_taken(self, tmp_path: Path) -> None:
        found = helm(script(tmp_path / "with space" / "helm3", "", version="v3.22.0"))
        assert found.path == str(tmp_path / "with space" / "helm3")
        assert found.version == HelmVersion(3, 22, 0)

    def test_a_bare_name_is_looked_up_on_the_path(self, tmp_path: Path) -> None:
        script(tmp_path / "bin" / "helm9x", "")
        found = find_helm({"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HELM_BIN": "helm9x"})
        assert found.path == str(tmp_path / "bin" / "helm9x")

    def test_without_helm_bin_the_path_is_asked_for_helm(self, tmp_path: Path) -> None:
        script(tmp_path / "bin" / "helm", "")
        assert find_helm({"PATH": f"{tmp_path / 'bin'}:/bin"}).path == str(tmp_path / "bin" / "helm")

    def test_a_relative_name_with_a_slash_becomes_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script(tmp_path / "bin" / "helm", "")
        monkeypatch.chdir(tmp_path)
        assert find_helm({"PATH": "/bin", "HELM_BIN": "bin/helm"}).path == str(tmp_path / "bin" / "helm")

    @pytest.mark.parametrize("path", ["", ".", ":", "bin"])
    def test_the_current_folder_is_never_searched(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        """A checkout that holds a program called helm must not be able to become our helm."""
        script(tmp_path / "helm", "")
        script(tmp_path / "bin" / "helm", "")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError, match="no helm was found"):
            find_helm({"PATH": path, "HELM_BIN": "helm"})

    @pytest.mark.parametrize("version", ["v3.7.2", "v2.17.0"])
    def test_too_old_is_refused(self, tmp_path: Path, version: str) -> None:
        with pytest.raises(UsageError, match="at least"):
            helm(script(tmp_path / "helm", "", version=version))

    def test_something_else_called_helm_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="did not tell its version"):
            helm(script(tmp_path / "helm", "", version="'usage: helm [steer|hold]'"))

    def test_a_helm_that_does_not_answer_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(binary, "QUICK", 0.2)
        path = tmp_path / "helm"
        path.write_text("#!/bin/sh\nexec sleep 60\n")
        path.chmod(0o755)
        with pytest.raises(UsageError, match="gave no answer"):
            helm(path)

    def test_a_file_of_the_wrong_format_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "helm"
        path.write_bytes(b"\x7fELF broken")
        path.chmod(0o755)
        with pytest.raises(UsageError, match="cannot be run"):
            helm(path)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("v3.22.0", HelmVersion(3, 22)),
        ("v3.22", HelmVersion(3, 22)),
        ("v4.3.1+g0123abc", HelmVersion(4, 3, 1)),
        ("4.0.0-rc.1", HelmVersion(4, 0)),
        ("", None),
        ("v3", None),
        ("Client: v2.1", None),
    ],
)
def test_versions_are_read(answer: str, version: HelmVersion | None) -> None:
    assert parse_version(answer) == version


class TestAct:
    def test_exit_code_and_output_come_back(self, tmp_path: Path) -> None:
        result = helm(script(tmp_path / "helm", "echo $1 $2; echo Error: bad >&2; exit 3")).act(
            RELEASE, ["rollback", "api"], timeout=20
        )
        assert result == (3, "rollback api\nError: bad\n")

    def test_namespace_and_driver_travel_in_the_environment(self, tmp_path: Path) -> None:
        body = 'echo "$HELM_NAMESPACE $HELM_DRIVER $HELM_KUBECONTEXT $HELM_DEBUG $HELM_NO_PLUGINS"'
        given = {"HELM_DRIVER": "configmap", "HELM_KUBECONTEXT": "c", "HELM_DEBUG": "true", "HELM_NAMESPACE": "other"}
        result = helm(script(tmp_path / "helm", body), **given).act(RELEASE, ["rollback"], timeout=20)
        assert result.output == "shop configmap c false 1\n"

    def test_it_runs_in_a_session_of_its_own_without_standard_input(self, tmp_path: Path) -> None:
        body = f"""{sys.executable} -c 'import os, sys; print(os.getsid(0), repr(sys.stdin.read()))'"""
        result = helm(script(tmp_path / "helm", body)).act(RELEASE, ["rollback"], timeout=20)
        session, stdin = result.output.split()
        assert int(session) != os.getsid(0)
        assert stdin == "''"

    def test_output_is_bounded_and_keeps_both_ends(self, tmp_path: Path) -> None:
        body = "echo first; yes 0123456789 | head -c 3000000; echo; echo last"
        output = helm(script(tmp_path / "helm", body)).act(RELEASE, ["rollback"], timeout=20).output
        assert len(output) < binary.OUTPUT_LIMIT + 100
        assert output.startswith("first\n")
        assert output.endswith("last\n")

    def test_secrets_in_the_output_are_redacted(self, tmp_path: Path) -> None:
        body = "echo 'Error: Authorization: Bearer abcdef0123456789abcdef0123456789 password=hunter2hunter2'"
        output = helm(script(tmp_path / "helm", body)).act(RELEASE, ["rollback"], timeout=20).output
        assert "hunter2" not in output
        assert "abcdef0123456789" not in output

    def test_a_rollback_that_does_not_end_is_left_running(self, tmp_path: Path) -> None:
        """The caller learns that the outcome is unknown; helm goes on and finishes, though nobody reads its output."""
        done, pid = tmp_path / "done", tmp_path / "pid"
        body = f"echo $$ > '{pid}'\nwhile [ ! -e '{tmp_path}/go' ]; do sleep 0.05; done\necho more\necho x > '{done}'"
        with pytest.raises(OutcomeUnknown, match="still running") as caught:
            helm(script(tmp_path / "helm", body)).act(RELEASE, ["rollback"], timeout=0.3)
        assert "helm history api -n shop" in caught.value.next_step
        os.kill(int(pid.read_text()), 0)
        (tmp_path / "go").touch()
        _wait_for(done)

    def test_a_rollback_survives_the_death_of_its_caller(self, tmp_path: Path) -> None:
        """Killed with -9, Ctrl-C in the terminal: the native rollback is not cut in the middle, nor by a closed pipe."""
        body = f"echo one; touch '{tmp_path}/begun'; sleep 0.5; echo two; echo three >&2; touch '{tmp_path}/done'"
        path = script(tmp_path / "helm", body)
        code = (
            "import os; from helm_safe.helm.binary import find_helm; from helm_safe.model.revisions import Release; "
            f"find_helm({{**os.environ, 'HELM_BIN': {str(path)!r}}}).act(Release('shop', 'api'), ['rollback'], timeout=60)"
        )
        caller = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        _wait_for(tmp_path / "begun")
        os.killpg(caller.pid, signal.SIGINT)
        os.killpg(caller.pid, signal.SIGKILL)
        caller.wait()
        _wait_for(tmp_path / "done")

    def test_a_binary_that_vanished_is_a_clear_error(self, tmp_path: Path) -> None:
        found = helm(script(tmp_path / "helm", ""))
        Path(found.path).unlink()
        with pytest.raises(UsageError, match="any more"):
            found.act(RELEASE, ["rollback"], timeout=5)


def _wait_for(path: Path) -> None:
    """Until the file is there; the test's own timeout is the bound."""
    with subprocess.Popen(["sh", "-c", 'until [ -e "$1" ]; do sleep 0.05; done', "sh", str(path)]) as waiting:
        assert waiting.wait(30) == 0
