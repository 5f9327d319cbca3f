"""From input to output: choose the function, run it, and say what it found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from helm_safe.core.findings import Severity
from krm_fn.config import choose
from krm_fn.errors import FOUND, OK, OutputError, UsageError
from krm_fn.function import Call, Function, Result
from krm_fn.resourcelist import Input, Orchestrator, read, read_stream
from krm_fn.results import additions, line, to_json

_TOLD = (Severity.ERROR, Severity.WARNING)


class Outcome(NamedTuple):
    """output: for stdout, whole; empty when the run failed. messages: for stderr. results: what was found."""

    output: str
    messages: tuple[str, ...] = ()
    exit_code: int = OK
    results: tuple[Result, ...] = ()


def process(text: str, functions: Sequence[Function]) -> Outcome:
    """Run the function that a ResourceList's functionConfig asks for. Raises KrmError."""
    source = read(text)
    call = _run(source, source.config, functions)
    kustomize = source.orchestrator is Orchestrator.KUSTOMIZE
    return _outcome(source, call, quiet=kustomize, in_list=not kustomize)


def process_stream(text: str, config: Any, functions: Sequence[Function]) -> Outcome:
    """The same for a plain stream of documents and a config that comes apart from it. Raises KrmError."""
    source = read_stream(text)
    call = _run(source, config, functions)
    if call.silent:
        raise UsageError("a config that prints no objects is for the `validators:` of a kustomization alone")
    return _outcome(source, call)


def _run(source: Input, config: Any, functions: Sequence[Function]) -> Call:
    function, spec, name = choose(config, functions)
    call = Call(spec, source.items, name)
    count = len(source.items)
    _guarded(function.run, call)
    if len(source.items) != count:
        raise OutputError(f"{function.kind} lost or invented items: {count} came in, {len(source.items)} are left")
    for obj in call.created:
        source.create(obj)
    return call


def _guarded(run: Callable[[Call], None], call: Call) -> None:
    """What a function prints must not end up among the objects."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        run(call)
    finally:
        sys.stdout = stdout


def _outcome(source: Input, call: Call, *, quiet: bool = False, in_list: bool = False) -> Outcome:
    """quiet: nobody asks what was added."""
    results = call.results if quiet else [*call.results, *additions(source.items)]
    told = tuple(line(each) for each in results if each.finding.severity in _TOLD)
    if any(each.finding.blocks for each in results):
        return Outcome("", told, FOUND, tuple(results))
    if call.silent:
        return Outcome("", told, OK, tuple(results))
    if in_list:
        source.add_results([to_json(each) for each in results])
        told = ()
    return Outcome(source.render(), told, OK, tuple(results))
