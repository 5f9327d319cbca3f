"""The command line, and the one place where errors become words and exit codes.

Written by hand, without argparse: Kustomize starts this process for every build, and start-up is the larger part.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from krm_fn.errors import INTERNAL, InputError, KrmError, UsageError
from krm_fn.function import Function
from krm_fn.process import Outcome, process, process_stream

LEGACY = "KUSTOMIZE_PLUGIN_CONFIG_STRING"
MAX_BYTES = 64 * 1024 * 1024


def main(argv: Sequence[str] | None = None, functions: Sequence[Function] | None = None) -> int:
    """Run as a KRM function; the exit codes are those of `krm_fn.errors`. No exception leaves it.

    functions: what a config may ask for; ours unless given.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)

    def make() -> Outcome:
        if functions is not None:
            return _dispatch(arguments, functions)
        from krm_fn.functions import known_functions

        return _dispatch(arguments, known_functions())

    return bounded(make)


def bounded(make: Callable[[], Outcome]) -> int:
    """Write what is made, and end with its exit code; errors become words and exit codes here and nowhere else."""
    try:
        return _write(make())
    except KrmError as error:
        return _tell(error, error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away; a flush at exit would raise again
        return INTERNAL
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the one boundary: a traceback helps nobody inside a build
        place = _place(error)
        return _tell(f"an error inside of the function at {place}: {type(error).__name__}. Please report it.", INTERNAL)


def entry() -> None:
    """The program helm-safe-krm. It lives short: collecting garbage, also at its end, costs as much as the work."""
    gc.disable()
    code = main()
    sys.stderr.flush()
    os._exit(code)


def _dispatch(arguments: list[str], functions: Sequence[Function]) -> Outcome:
    if os.environ.get(LEGACY) and arguments:
        return process_stream(_stdin(), _config(arguments[0]), functions)
    if not arguments:
        return process(_stdin(), functions)
    from krm_fn.commands import run_command

    return run_command(arguments, functions)


def _write(outcome: Outcome) -> int:
    for message in outcome.messages:
        print(message, file=sys.stderr)  # noqa: T201 - the boundary speaks plainly
    if outcome.output:
        sys.stdout.buffer.write(outcome.output.encode())
        sys.stdout.buffer.flush()
    return outcome.exit_code


def _tell(error: object, code: int) -> int:
    from helm_safe.core.printable import printable

    print(f"error: {printable(error, multiline=True)}", file=sys.stderr)  # noqa: T201 - the boundary speaks plainly
    return code


def _stdin() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("nothing comes in on standard input; see --help")
    return decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")


def decoded(raw: bytes, name: str) -> str:
    """Text from bytes. Raises InputError for what is too large or not UTF-8."""
    if len(raw) > MAX_BYTES:
        raise InputError(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name} is not UTF-8: byte {error.start}, line {number}") from None


def _config(path: str) -> object:
    from krm_fn.commands import load_config

    return load_config(path)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    return f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}" if code and trace else "?"  # noqa: PTH119 - pathlib costs start-up
