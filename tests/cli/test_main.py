"""Choosing the command, and errors as words and exit codes."""

from __future__ import annotations

import pytest

from helm_safe.cli.main import choose, main


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("", [])),
        (["--help"], ("", [])),
        (["checkout-api", "1"], ("run", ["checkout-api", "1"])),
        (["plan", "checkout-api"], ("plan", ["checkout-api"])),
        (["-n", "prod", "plan", "api"], ("plan", ["-n", "prod", "api"])),
        (["--namespace=prod", "history", "api"], ("history", ["--namespace=prod", "api"])),
        (["run", "plan", "3"], ("run", ["plan", "3"])),
        (["api", "1", "--help"], ("run", ["api", "1", "--help"])),
    ],
)
def test_choose(arguments: list[str], expected: tuple[str, list[str]]) -> None:
    """The first word that is no flag names the command; any other word is a release."""
    assert choose(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["checkout-api", "0"], "revision '0' is not a whole number above 0"),
        (["checkout-api", "-1"], "revision '-1' is not"),
        (["checkout-api", "abc"], "revision 'abc' is not"),
        (["checkout-api", "1", "--bakes", "3s"], "Did you mean --bake?"),
        (["checkout-api", "1", "surplus"], "unrecognized arguments: surplus"),
        (["checkout-api", "1", "--accept", "X-001"], "has no reason"),
        (["checkout-api", "1", "--accept", "CFG-04=why"], "CFG-004"),
        (["checkout-api", "1", "--bake", "soon"], "--bake: 'soon'"),
        (["history", "checkout-api", "--known-good-after", "soon"], "--known-good-after: 'soon'"),
        (
            ["checkout-api", "1", "--steps", "0,200"],
            "--steps: '0,200' cannot be used: each step must be a number",
        ),
        (["checkout-api", "1", "--steps", "50,10"], "each step must be larger than the one before"),
        (["checkout-api", "1", "--steps", "1,50"], "the last step must be 100"),
        (["checkout-api", "1", "--steps", "abc"], "each step must be a number from 0.01 to 100"),
        (["checkout-api", "1", "--steps", ""], "each step must be a number from 0.01 to 100"),
        (["checkout-api", "1", "--route", "shop"], "--route: 'shop' cannot be used: KIND/NAME is expected"),
        (["checkout-api", "1", "--metrics", "ftp://a"], "--metrics: 'ftp://a' cannot be used"),
        (["checkout-api", "1", "--timeout", "0s"], "--timeout: '0s'"),
        (["checkout-api", "1", "--strategy", "yolo"], "invalid choice: 'yolo'"),
        (["Checkout_API", "1"], "is not a name of a release"),
        (["plan"], "the name of the release is missing"),
        (["plan", "api", "-n", "a/b"], "is not a name of a namespace"),
        (["doctor"], "reserved for later"),
        (["plan", "api", "-o", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_bad_input_is_one_paragraph_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong words are named, with what to do, before any cluster is asked."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert words in err
    assert "Traceback" not in err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version."""
    from helm_safe import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"helm-safe {__version__}\n"
