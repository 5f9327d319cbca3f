"""What ends a run: nothing is written to stdout then.

KrmError
├── UsageError      the command line or the function's config
├── InputError      what came in cannot be read
└── OutputError     what would go out is not what it has to be: a mistake of the function
"""

from __future__ import annotations

OK, FOUND, USAGE, INPUT, INTERNAL = 0, 1, 2, 3, 4
"""Exit codes: done; a finding of severity error; wrong usage or config; unreadable input; a mistake of the program."""


class KrmError(Exception):
    exit_code = INTERNAL


class UsageError(KrmError):
    exit_code = USAGE


class InputError(KrmError):
    exit_code = INPUT


class OutputError(KrmError):
    exit_code = INTERNAL


def nearest(word: str, known: list[str]) -> str:
    """The end of an error message: the closest known word, and all of them."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else "."
    return f"{hint} Known: {', '.join(known)}" if known else hint
