"""`krm`: the KRM function, so that `exec: {path: helm, args: [safe-rollback, krm]}` works in a kustomization."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.prefix_chars = "\0"  # every word, also --help, belongs to the function
    parser.add_argument("words", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    import gc

    from krm_fn.main import main

    gc.disable()  # it reads, adds and ends
    return main(args.words)
