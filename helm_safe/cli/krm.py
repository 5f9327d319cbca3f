"""`krm`: the KRM function, so that `exec: {path: helm, args: [safe-rollback, krm]}` works in a kustomization."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from krm_fn.process import Outcome

LIVE = "--live"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.prefix_chars = "\0"  # every word, also --help, belongs to the function
    parser.add_argument("words", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    import gc

    from krm_fn.main import bounded, main

    gc.disable()  # it reads, adds and ends
    if args.words[:1] == ["verify"] and LIVE in args.words:
        text, config = _live(args.words[1:])
        return bounded(lambda: _verified(text, config))
    return main(args.words)


def _verified(text: str, config: str) -> Outcome:
    from krm_fn.commands import load_config
    from krm_fn.verify import verify

    return verify(text, load_config(config) if config else None)


def _live(words: list[str]) -> tuple[str, str]:
    """The workloads of a namespace as documents, and the config's file. Raises UsageError and ClusterError."""
    import json
    import os

    from helm_safe.cli import options, wiring
    from helm_safe.kube.cluster import KubeCluster
    from helm_safe.model.resources import WORKLOADS

    parser = options.Parser(prog="krm verify", description="whether RolloutDefaults looked after every live workload")
    options.add_connection(parser)
    parser.add_argument(LIVE, action="store_true", help="look at a namespace of the cluster instead of a build")
    parser.add_argument("-c", "--config", default="", help="the RolloutDefaults: only what it selects must be marked")
    args = parser.parse_args(words)
    wiring.export_connection(args)
    cluster = KubeCluster.connect(os.environ)
    namespace = options.namespace_name(os.environ.get("HELM_NAMESPACE") or cluster.namespace or "default")
    found = [each for kind in WORKLOADS.values() for each in cluster.list(kind, namespace).items]
    return "".join(f"---\n{json.dumps(each)}\n" for each in found), args.config
