"""The plugin as people meet it: installed from a folder, run behind helm, removed without a trace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import helm_safe
from helm_safe.sandbox.cluster import Sandbox

VERSION = helm_safe.__version__
ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = ["plugin.yaml", "install-binary.sh", "pyproject.toml", "helm_safe", "krm_fn"]
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@dataclass
class Home:
    """A user's home and a checkout, both with spaces and a quote in their names."""

    folder: Path
    checkout: Path
    environ: dict[str, str]

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env={**self.environ, **environ}, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def install(self, *words: str, shell: str = "sh", **environ: str) -> subprocess.CompletedProcess[str]:
        start = [shell, "sh"] if shell == "busybox" else [shell]
        return self.run(*start, str(self.checkout / "install-binary.sh"), *words, **environ)

    def tree(self) -> set[str]:
        """Everything below the home and the checkout."""
        return {
            str(path)
            for top in (self.folder, self.checkout)
            for path in top.rglob("*")
            # pip asks a Rust compiler for its version, which may make itself a folder in a fresh home.
            if path.relative_to(top).parts[0] not in ("cache", ".rustup")
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder, checkout = tmp_path / "jane's home", tmp_path / "my src" / "helm safe"
    for path in (folder / "data", folder / "helm data" / "plugins", checkout):
        path.mkdir(parents=True)
    for name in CHECKOUT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, checkout / name)
    kept = ("PATH", "LANG", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "SSL_CERT_FILE", "RUSTUP_HOME")
    environ = {key: os.environ[key] for key in kept if key in os.environ}
    return Home(
        folder,
        checkout,
        {
            **environ,
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "HELM_DATA_HOME": str(folder / "helm data"),
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_CONFIG_HOME": str(folder / "cache"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "HELM_SAFE_PYTHON": sys.executable,
        },
    )


def program(path: Path, version: str = VERSION) -> Path:
    """A helm-safe that is installed elsewhere: it tells its version, its arguments and what Helm gave it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'#!/bin/sh\n[ "$*" != --version ] || {{ echo "helm-safe {version}"; exit 0; }}\n'
        'for each; do printf "<%s>" "$each"; done; echo\n'
        'echo "$HELM_NAMESPACE|$HELM_KUBECONTEXT|$HELM_PLUGIN_NAME|$PPID"\nexit 7\n'
    )
    path.chmod(0o755)
    return path


class TestWithAnInstalledProgram:
    """No environment is made where a helm-safe of the same version exists already."""

    @pytest.mark.parametrize("shell", SHELLS)
    def test_the_launcher_starts_it_and_removing_leaves_nothing(self, home: Home, shell: str) -> None:
        other = program(home.folder / "other bin" / "helm-safe")
        before = home.tree()
        done = home.install(shell=shell, HELM_SAFE_BIN=str(other))
        assert (done.returncode, done.stderr) == (0, "")
        started = home.run(str(home.checkout / "helm-safe"), "plan", "a b", "")
        assert started.stdout.splitlines()[0] == "<plan><a b><>"
        assert started.returncode == 7
        again = home.install(shell=shell, HELM_SAFE_BIN=str(other))
        assert again.returncode == 0
        assert home.install("remove", shell=shell).returncode == 0
        assert home.tree() == before

    def test_one_on_the_path_is_used_only_in_the_same_version(self, home: Home) -> None:
        program(home.folder / "bin" / "helm-safe", "0.0.9")
        path = f"{home.folder}/bin:{home.environ['PATH']}"
        done = home.install(PATH=path, HELM_SAFE_PYTHON="/nonexistent/python")
        assert done.returncode == 1
        assert "Python 3.10 or newer" in done.stderr
        program(home.folder / "bin" / "helm-safe")
        done = home.install(PATH=path, HELM_SAFE_PYTHON="/nonexistent/python")
        assert (done.returncode, done.stderr) == (0, "")

    def test_another_version_that_was_named_is_refused(self, home: Home) -> None:
        other = program(home.folder / "bin" / "helm-safe", "0.0.9")
        before = home.tree()
        done = home.install(HELM_SAFE_BIN=str(other))
        assert done.returncode == 1
        assert f"is not helm-safe {VERSION}" in done.stderr
        assert home.tree() == before

    def test_a_program_that_went_away_is_told_with_the_way_out(self, home: Home) -> None:
        other = program(home.folder / "bin" / "helm-safe")
        home.install(HELM_SAFE_BIN=str(other))
        other.unlink()
        done = home.run(str(home.checkout / "helm-safe"), "plan")
        assert done.returncode == 2
        program(other)
        advice = next(line for line in done.stderr.splitlines() if line.startswith("Run: "))
        mended = home.run("sh", "-c", advice.removeprefix("Run: "), HELM_SAFE_BIN=str(other))
        assert mended.returncode == 0, mended.stderr
        other.unlink()
        completed = home.run(str(home.checkout / "plugin.complete"), "")
        assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")

    def test_two_plugins_of_one_checkout_share_it_until_the_last_one_goes(self, home: Home) -> None:
        other = program(home.folder / "bin" / "helm-safe")
        before = home.tree()
        first, second = home.folder / "p1", home.folder / "p2"
        for link in (first, second):
            link.symlink_to(home.checkout)
            assert home.install(HELM_PLUGIN_DIR=str(link), HELM_SAFE_BIN=str(other)).returncode == 0
        delete = _hook("delete")
        for link, left in ((first, True), (second, False)):
            link.unlink()
            done = home.run("sh", "-c", delete, HELM_PLUGIN_DIR=str(link))
            assert (done.returncode, done.stderr) == (0, "")
            assert (home.checkout / "helm-safe").exists() is left
        assert home.tree() == before

    def test_run_by_hand_it_renews_a_plugin_and_removes_none(self, home: Home) -> None:
        other = program(home.folder / "bin" / "helm-safe")
        before = home.tree()
        plugin = str(home.folder / "plugin")
        assert home.install(HELM_PLUGIN_DIR=str(home.checkout), HELM_SAFE_BIN=str(other)).returncode == 0
        assert home.install(HELM_SAFE_BIN=str(other)).returncode == 0
        (home.folder / "plugin").symlink_to(home.checkout)
        assert home.install(HELM_PLUGIN_DIR=plugin, HELM_SAFE_BIN=str(other)).returncode == 0
        home.install("remove")
        refused = home.install("remove")
        assert refused.returncode == 1
        assert plugin in refused.stderr
        (home.folder / "plugin").unlink()
        assert home.run("sh", "-c", _hook("delete"), HELM_PLUGIN_DIR=plugin).returncode == 0
        assert home.tree() == before


class TestWithoutWhatItNeeds:
    def test_no_python_is_a_clear_message_and_leaves_nothing(self, home: Home) -> None:
        tools = home.folder / "tools"
        tools.mkdir()
        for name in ("sh", "sed", "cat", "cksum", "tr", "grep", "mkdir", "rm", "rmdir", "mv", "find", "sort", "touch"):
            (tools / name).symlink_to(shutil.which(name) or "/bin/false")
        before = home.tree()
        done = home.install(shell=str(tools / "sh"), PATH=str(tools), HELM_SAFE_PYTHON="")
        assert done.returncode == 1
        assert "it needs Python 3.10 or newer, and found none" in done.stderr
        assert "HELM_SAFE_PYTHON=/path/python3" in done.stderr
        assert home.tree() == before

    def test_a_python_that_is_too_old_is_not_taken(self, home: Home) -> None:
        old = home.folder / "python3"
        old.write_text("#!/bin/sh\nexit 1\n")
        old.chmod(0o755)
        done = home.install(HELM_SAFE_PYTHON=str(old))
        assert done.returncode == 1
        assert f"at HELM_SAFE_PYTHON={old}" in done.stderr

    def test_running_it_uninstalled_says_what_to_do(self, home: Home) -> None:
        done = home.install("run", "plan", HELM_PLUGIN_DIR=str(home.checkout))
        assert done.returncode == 2
        assert "not installed completely" in done.stderr

    def test_an_empty_wheelhouse_is_an_error_that_names_what_is_missing(self, home: Home) -> None:
        (home.checkout / "wheelhouse").mkdir()
        before = home.tree()
        done = home.install()
        assert done.returncode == 1
        assert "pyyaml" in done.stderr
        assert home.tree() == before

    def test_a_wheel_that_was_changed_is_refused(self, home: Home) -> None:
        wheels = home.checkout / "wheelhouse"
        wheels.mkdir()
        (wheels / "x-1-py3-none-any.whl").write_text("changed")
        (wheels / "SHA256SUMS").write_text(f"{'0' * 64}  x-1-py3-none-any.whl\n")
        done = home.install()
        assert done.returncode == 1
        assert "does not match SHA256SUMS" in done.stderr

    @pytest.mark.parametrize("words", [("frobnicate",), ("--help",)])
    def test_an_unknown_word_lists_the_known_ones(self, home: Home, words: tuple[str, ...]) -> None:
        assert "Known: install remove" in home.install(*words).stderr

    def test_an_unknown_extra_is_refused(self, home: Home) -> None:
        assert "no optional part nonsense" in home.install(HELM_SAFE_EXTRAS="nonsense").stderr


def _hook(name: str) -> str:
    from helm_safe.core.yamlio import load_all

    (manifest,) = load_all((ROOT / "plugin.yaml").read_text())
    return str(manifest["hooks"][name])


def test_the_version_of_plugin_and_code_is_the_same() -> None:
    told = re.search(r"^version: (.+)$", (ROOT / "plugin.yaml").read_text(), re.MULTILINE)
    assert told is not None
    assert told[1] == VERSION


def test_the_plugin_file_has_only_keys_of_the_legacy_format() -> None:
    """One unknown key, and Helm 3 refuses every command, whatever the plugin."""
    from helm_safe.core.yamlio import load_all

    (manifest,) = load_all((ROOT / "plugin.yaml").read_text())
    assert set(manifest) <= {"name", "version", "usage", "description", "platformCommand", "hooks"}


@pytest.mark.cluster  # the sandbox supplies the binaries; no API server is asked
@pytest.mark.parametrize("major", [3, 4])
class TestBehindHelm:
    """Through the real `helm plugin install`, `helm safe-rollback` and `helm plugin uninstall`."""

    def test_arguments_environment_and_exit_code_pass_through(self, home: Home, sandbox: Sandbox, major: int) -> None:
        helm = str(sandbox.helm(major))
        other = program(home.folder / "other bin" / "helm-safe")
        before = home.tree()
        done = home.run(helm, "plugin", "install", str(home.checkout), HELM_SAFE_BIN=str(other))
        assert done.returncode == 0, done.stderr
        words = ["safe-rollback", "api", "2", "--kube-context", "blue", "--accept", "A=b c", "-n", "shop", "--yes"]
        started = subprocess.Popen([helm, *words], env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out, _ = started.communicate()
        assert out.decode().splitlines() == [
            "<api><2><--accept><A=b c><--yes>",
            f"shop|blue|safe-rollback|{started.pid}",  # our parent is helm itself: no shell stands in between
        ]
        assert started.returncode == 7
        done = home.run(helm, "plugin", "uninstall", "safe-rollback")
        assert done.returncode == 0, done.stderr
        assert home.tree() == before

    def test_an_installation_that_failed_can_be_mended_by_hand_and_removed(
        self, home: Home, sandbox: Sandbox, major: int
    ) -> None:
        helm, other = str(sandbox.helm(major)), program(home.folder / "other bin" / "helm-safe")
        before = home.tree()
        done = home.run(helm, "plugin", "install", str(home.checkout), HELM_SAFE_PYTHON="/nonexistent")
        assert done.returncode == 1
        assert "it needs Python 3.10 or newer" in done.stderr
        refused = home.run(helm, "safe-rollback", "--version")
        assert refused.returncode == 2
        advice = next(line for line in refused.stderr.splitlines() if line.startswith("Run: "))
        mended = home.run("sh", "-c", advice.removeprefix("Run: "), HELM_SAFE_BIN=str(other))
        assert mended.returncode == 0, mended.stderr
        assert home.run(helm, "safe-rollback", "--version").stdout == f"helm-safe {VERSION}\n"
        assert home.run(helm, "plugin", "uninstall", "safe-rollback").returncode == 0
        assert home.tree() == before

    def test_it_installs_without_a_network_and_leaves_nothing(
        self, home: Home, sandbox: Sandbox, wheelhouse: Path, major: int
    ) -> None:
        """Nor is anything run that lies in the current folder: somebody else's checkout must not become our code."""
        helm, offline = str(sandbox.helm(major)), ["unshare", "-rn"]
        for name in ("yaml", "argparse", "venv", "pip", "helm_safe"):
            (home.folder / f"{name}.py").write_text("import pathlib; pathlib.Path('hit').touch()")
        before = home.tree()
        done = home.run(*offline, helm, "plugin", "install", str(home.checkout), HELM_SAFE_WHEELHOUSE=str(wheelhouse))
        assert done.returncode == 0, done.stderr
        assert home.run(*offline, helm, "safe-rollback", "--version").stdout == f"helm-safe {VERSION}\n"
        assert "Usage: helm safe-rollback RELEASE" in home.run(helm, "safe-rollback", "--help").stdout
        assert home.run(helm, "safe-rollback", "plan", "--help").returncode == 0
        refused = home.run(helm, "safe-rollback", "plan", "api", "0")
        assert (refused.returncode, "whole number above 0" in refused.stderr) == (2, True)
        listed = home.run(helm, "__complete", "safe-rollback", "pl").stdout
        assert listed.splitlines()[0].startswith("plan")
        assert listed.splitlines()[-1] == ":4"
        done = home.run(helm, "plugin", "uninstall", "safe-rollback")
        assert done.returncode == 0, done.stderr
        assert home.tree() == before


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of all dependencies, as a release would carry them."""
    folder = tmp_path_factory.mktemp("wheel house")
    script = (ROOT / "pyproject.toml").read_text()
    block = script.split("\ndependencies = [", 1)[1].split("\n]", 1)[0]
    wanted = re.findall(r'^  "(.+)",', block, re.MULTILINE)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no package index to fill a wheelhouse from: {done.stderr[-200:]}")
    return folder
