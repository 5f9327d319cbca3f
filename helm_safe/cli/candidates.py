"""`__complete WORD...`: what a shell may offer for the last word, in the protocol that Helm's own completion uses.

One candidate per line, `value<TAB>help`, and last `:4` (offer no files) or `:0` (offer files). It is silent about
everything that goes wrong: a completion that prints errors destroys the line that somebody is typing.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from helm_safe.cli.commands import COMMANDS, DEFAULT, HIDDEN
from helm_safe.cli.main import VALUE_FLAGS, choose
from helm_safe.model.errors import OK, HelmSafeError

NO_FILES, FILES = ":4", ":0"
ENVIRONMENT = {
    "-n": "HELM_NAMESPACE",
    "--namespace": "HELM_NAMESPACE",
    "--kube-context": "HELM_KUBECONTEXT",
    "--kubeconfig": "KUBECONFIG",
}
PATIENCE = 3.0  # seconds for the cluster; who presses a key waits no longer
_VALUE = re.compile(r"[A-Za-z0-9._-]+")


class Answer(NamedTuple):
    """(value, help) pairs, and whether files fit as well."""

    candidates: tuple[tuple[str, str], ...] = ()
    files: bool = False


class Position(NamedTuple):
    """Where the last word stands. flag: the option whose value it is. before: the positional words so far."""

    flag: str
    before: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # No word is a flag of this command: all of them belong to the line that is being typed.
    parser.prefix_chars = "\0"
    parser.add_argument("words", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    answer = complete(args.words)
    for value, text in answer.candidates:
        print(f"{value}\t{text}" if text else value)  # noqa: T201 - a protocol between programs
    print(FILES if answer.files else NO_FILES)  # noqa: T201
    return OK


def complete(words: Sequence[str]) -> Answer:
    """Candidates for the last of `words`, which may be empty."""
    *typed, current = joined(words) or [""]
    try:
        name, rest = choose(typed)
    except HelmSafeError:
        return Answer()
    known = name or DEFAULT
    parser = _parser(known)
    position = locate(parser, rest)
    environ = {**os.environ, **_connection(typed)}
    if position.flag:
        return _only(_values(parser, position.flag), current)
    if current.startswith("-"):
        return _only(Answer(tuple(_flags(parser))), current)
    answer = _positional(parser, position.before, environ)
    if known == DEFAULT and not position.before and DEFAULT not in typed:
        rows = tuple((each, text) for each, (_, text) in COMMANDS.items() if each not in HIDDEN)
        answer = Answer((*answer.candidates, *rows))
    return _only(answer, current)


def joined(words: Sequence[str]) -> list[str]:
    """The words with `--flag=value` as two of them, however the shell cut it (bash makes three)."""
    found: list[str] = []
    for word in words:
        if word == "=" and found and found[-1].startswith("--"):
            continue
        flag, equals, value = word.partition("=")
        found += [flag, value] if equals and flag.startswith("--") else [word]
    if words and words[-1] == "=":
        found.append("")
    return found


def locate(parser: argparse.ArgumentParser, typed: Iterable[str]) -> Position:
    flag, before = "", []
    for word in typed:
        if flag:
            flag = ""
        elif word.startswith("-"):
            flag = word if _takes_value(parser, word) else ""
        else:
            before.append(word)
    return Position(flag, tuple(before))


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=True)
    try:
        importlib.import_module(COMMANDS[command][0]).add_arguments(parser)
    except ImportError:
        return argparse.ArgumentParser()
    return parser


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in parser._actions if action.option_strings)  # noqa: SLF001 - argparse has no other way


def _option(parser: argparse.ArgumentParser, flag: str) -> argparse.Action | None:
    return next((action for action in _options(parser) if flag in action.option_strings), None)


def _takes_value(parser: argparse.ArgumentParser, flag: str) -> bool:
    action = _option(parser, flag)
    return flag in VALUE_FLAGS or (action is not None and action.nargs is None)


def _values(parser: argparse.ArgumentParser, flag: str) -> Answer:
    action = _option(parser, flag)
    if action is None:
        return Answer()
    choices = tuple((str(each), "") for each in action.choices or ())
    return Answer(choices, files=action.metavar in ("FILE", "DIR"))


def _flags(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in _options(parser):
        if action.help != argparse.SUPPRESS:
            yield action.option_strings[-1], action.help or ""


def _positional(parser: argparse.ArgumentParser, before: Sequence[str], environ: Mapping[str, str]) -> Answer:
    """Candidates for the next positional word: choices of the command, releases or revisions."""
    actions = [action for action in parser._actions if not action.option_strings]  # noqa: SLF001
    if len(before) >= len(actions):
        return Answer()
    action = actions[len(before)]
    if action.dest == "release":
        return Answer(tuple(_ask_helm([], environ)))
    if action.dest == "revision":
        return Answer(tuple(_ask_helm(before[:1], environ)))
    return Answer(tuple((str(each), "") for each in action.choices or ()))


def _ask_helm(words: Sequence[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What Helm itself offers for `helm rollback`: releases, and after a release its revisions."""
    from helm_safe.core.printable import printable
    from helm_safe.helm.binary import candidates

    for line in candidates(environ, ["rollback", *words, ""], timeout=PATIENCE):
        value, _, text = line.partition("\t")
        if _VALUE.fullmatch(value):
            yield value, printable(text)


def _connection(typed: Sequence[str]) -> dict[str, str]:
    return {ENVIRONMENT[flag]: value for flag, value in itertools.pairwise(typed) if flag in ENVIRONMENT}


def _only(answer: Answer, prefix: str) -> Answer:
    fitting = tuple((value, text) for value, text in answer.candidates if value.startswith(prefix))
    return Answer(fitting, answer.files)
