"""What the command line offers beside being called by Kustomize or kpt."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from helm_safe import __version__
from helm_safe.core.yamlio import YamlError, load
from krm_fn.errors import InputError, UsageError, nearest
from krm_fn.function import Function
from krm_fn.main import _stdin, decoded
from krm_fn.process import Outcome, process_stream

HELP = """\
helm-safe-krm: defaults and checks for safe rollouts, as a KRM function for Kustomize and kpt.

  helm-safe-krm                            a ResourceList in, a ResourceList out; Kustomize and kpt call it so
  helm-safe-krm CONFIG FILE ...            the objects of files, for debugging; "-" is standard input
  helm-safe-krm filter -c CONFIG [FILE]    a stream of documents in, a stream out:
                                           kustomize build DIR | helm-safe-krm filter -c defaults.yaml
  helm-safe-krm verify [-c CONFIG] [FILE]  whether RolloutDefaults looked after every workload of a build
  helm-safe-krm post-render [-c CONFIG] [-k COMPONENT]
                                           the objects of a chart, as post-renderer of Helm; --plugin: for Helm 4
  helm-safe-krm install-legacy [FOLDER]    install as plugin for `kubectl kustomize --enable-alpha-plugins`
  helm-safe-krm --configurations           a file for `configurations:`, so that names in routes follow prefixes
  helm-safe-krm --schema [KIND]            JSON Schema of a config
  helm-safe-krm --doc [KIND]               what a function does, as Markdown
  helm-safe-krm --version

Kinds of config:
{kinds}
Exit codes: 0 done · 1 a finding of severity error · 2 usage or config · 3 unreadable input · 4 our own mistake.
Without exit code 0 nothing is written to standard output.
"""


def run_command(arguments: list[str], functions: Sequence[Function]) -> Outcome:
    """What the arguments ask for. Raises UsageError."""
    word, rest = arguments[0], arguments[1:]
    if word in _COMMANDS:
        return _COMMANDS[word](rest, functions)
    if word.startswith("-") and word != "-":
        raise UsageError(f"unknown flag {word}{nearest(word, [each for each in _COMMANDS if each.startswith('--')])}")
    return _files(arguments, functions)


def load_config(path: str) -> object:
    """A config from a file. Raises UsageError."""
    try:
        return load(_read(path))
    except (YamlError, InputError) as error:
        raise UsageError(f"{path}: {error}") from None


def _help(_rest: list[str], functions: Sequence[Function]) -> Outcome:
    width = max(len(each.kind) for each in functions)
    return Outcome(HELP.format(kinds="".join(f"  {each.kind:<{width}}  {each.summary}\n" for each in functions)))


def _version(_rest: list[str], _functions: Sequence[Function]) -> Outcome:
    return Outcome(f"helm-safe-krm {__version__}\n")


def _schema(rest: list[str], functions: Sequence[Function]) -> Outcome:
    return Outcome(json.dumps(config_schema(_named(rest, functions)), indent=2) + "\n")


def _doc(rest: list[str], functions: Sequence[Function]) -> Outcome:
    function = _named(rest, functions)
    return Outcome(f"# {function.kind}\n\n{function.summary}\n\n{function.doc.strip()}\n")


def config_schema(function: Function) -> dict[str, object]:
    """JSON Schema of a whole config object, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": function.kind,
        "description": function.summary,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {
            "apiVersion": {"enum": [f"{function.group}/{version}" for version in function.versions]},
            "kind": {"const": function.kind},
            "metadata": {"type": "object"},
            "spec": _closed(function.schema),
        },
        "additionalProperties": False,
    }


def _closed(schema: dict[str, object]) -> dict[str, object]:
    """The same schema with `additionalProperties: false` said aloud where our reader implies it."""
    closed: dict[str, object] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            closed[key] = {name: _closed(below) for name, below in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            closed[key] = _closed(value)
        else:
            closed[key] = value
    if "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed


def _named(rest: list[str], functions: Sequence[Function]) -> Function:
    if not rest:
        return functions[0]
    found = next((each for each in functions if each.kind == rest[0]), None)
    if found is None:
        raise UsageError(f"{rest[0]!r} is not known{nearest(rest[0], [each.kind for each in functions])}")
    return found


def _configurations(_rest: list[str], _functions: Sequence[Function]) -> Outcome:
    return Outcome((Path(__file__).parent / "configurations.yaml").read_text(encoding="utf-8"))


def _filter(rest: list[str], functions: Sequence[Function]) -> Outcome:
    config, files = _config_and_files(rest)
    if not config:
        raise UsageError("filter needs a config: helm-safe-krm filter -c defaults.yaml")
    return process_stream(_joined(files), load_config(config), functions)


def _verify(rest: list[str], _functions: Sequence[Function]) -> Outcome:
    from krm_fn.verify import verify

    config, files = _config_and_files(rest)
    return verify(_joined(files), load_config(config) if config else None)


def _post_render(rest: list[str], functions: Sequence[Function]) -> Outcome:
    from krm_fn.postrender import PLUGIN, post_render

    if rest == ["--plugin"]:
        return Outcome(f"{PLUGIN}\n")
    wanted = {"-c": "", "--config": "", "-k": "", "--component": ""}
    words = iter(rest)
    for word in words:
        name, equals, value = word.partition("=")
        if name not in wanted:
            raise UsageError(f"unknown word {word}{nearest(name, list(wanted))}")
        wanted[name] = value if equals else next(words, "")
    config, component = wanted["-c"] or wanted["--config"], wanted["-k"] or wanted["--component"]
    if not config and not component:
        raise UsageError("post-render needs a config (-c FILE), a Kustomize component (-k FOLDER), or both")
    return post_render(_stdin(), component, load_config(config) if config else None, functions)


def _config_and_files(rest: list[str]) -> tuple[str, list[str]]:
    """The value of -c, "" without it, and the files; "-" where none is named."""
    config, files = "", []
    words = iter(rest)
    for word in words:
        if word in ("-c", "--config"):
            config = next(words, "")
        elif word.startswith("--config="):
            config = word.partition("=")[2]
        elif word.startswith("-") and word != "-":
            raise UsageError(f"unknown flag {word}{nearest(word, ['-c', '--config'])}")
        else:
            files.append(word)
    return config, files or ["-"]


def _files(arguments: list[str], functions: Sequence[Function]) -> Outcome:
    """Debugging: the config first, then files."""
    return process_stream(_joined(arguments[1:] or ["-"]), load_config(arguments[0]), functions)


def _joined(paths: Sequence[str]) -> str:
    texts = [_read(path) for path in paths]
    return "---\n".join(text if text.endswith("\n") or len(texts) == 1 else f"{text}\n" for text in texts)


def _read(path: str) -> str:
    if path == "-":
        return _stdin()
    try:
        return decoded(Path(path).read_bytes(), path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _install_legacy(rest: list[str], functions: Sequence[Function]) -> Outcome:
    from krm_fn.legacy import install

    if len(rest) > 1 or any(word.startswith("-") for word in rest):
        raise UsageError("install-legacy takes one folder, the plugin home, at most")
    made = install(Path(rest[0]) if rest else None, functions)
    return Outcome("".join(f"{path}\n" for path in made))


_COMMANDS: dict[str, Callable[[list[str], Sequence[Function]], Outcome]] = {
    "filter": _filter,
    "verify": _verify,
    "post-render": _post_render,
    "install-legacy": _install_legacy,
    "--help": _help,
    "-h": _help,
    "help": _help,
    "--version": _version,
    "--configurations": _configurations,
    "--schema": _schema,
    "--doc": _doc,
}
