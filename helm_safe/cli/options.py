"""Options that several commands share; names and meanings follow helm and kubectl."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from typing import Any, NoReturn

from helm_safe.model.errors import UsageError
from helm_safe.model.options import OPTIONS, STRATEGIES

FORMATS = ("text", "json", "yaml")


class Parser(argparse.ArgumentParser):
    """argparse without abbreviations, whose errors are ours: one paragraph, the nearest known name, exit code 2."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(allow_abbrev=False, **kwargs)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        if unknown and unknown[1].startswith("-"):
            raise UsageError(f"unknown flag {unknown[1]}", self._known_flags(unknown[1]))
        raise UsageError(message, f"Usage: {self.format_usage().removeprefix('usage: ').strip()}")

    def _known_flags(self, flag: str) -> str:
        known = sorted(option for option in self._option_string_actions if option.startswith("--"))
        near = difflib.get_close_matches(flag.split("=", maxsplit=1)[0], known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        return f"{hint}Known flags: {' '.join(known)}"


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Where the cluster is. Under `helm` these arrive as environment; called directly they mean the same."""
    group = parser.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NS", help="namespace of the release")
    group.add_argument("--kube-context", metavar="NAME", help="context of the kubeconfig")
    group.add_argument("--kubeconfig", metavar="FILE", help="path of the kubeconfig")
    group.add_argument("--debug", nargs="?", const="true", help="tell more when something goes wrong")
    for flag in ("--burst-limit", "--qps", "--color", "--colour", "--content-cache", "-v"):
        parser.add_argument(flag, help=argparse.SUPPRESS)  # helm's own flags reach a plugin; they ask nothing of us


def add_output(parser: argparse.ArgumentParser, formats: tuple[str, ...] = FORMATS) -> None:
    parser.add_argument("-o", "--output", choices=formats, default="text", help="format of the output")
    parser.add_argument("--no-color", action="store_true", help="no colour, also by NO_COLOR")


def add_watching(parser: argparse.ArgumentParser) -> None:
    """Output of a command that carries a run out: the stream of events too, and lines instead of a live screen."""
    add_output(parser, (*FORMATS, "jsonl"))
    parser.add_argument("--plain", action="store_true", help="lines instead of a live screen, also by HELM_SAFE_PLAIN")


def add_release(parser: argparse.ArgumentParser, *, revision: bool = False) -> None:
    parser.add_argument("release", metavar="RELEASE", nargs="?", help="name of the release")
    if revision:
        parser.add_argument("revision", metavar="REVISION", nargs="?", help="revision to restore")


def add_judging(parser: argparse.ArgumentParser) -> None:
    """What plan, check and run share: how to judge, and what was accepted."""
    parser.add_argument(
        "--accept", metavar='ID="REASON"', action="append", default=[], help="let a finding through; journaled"
    )
    parser.add_argument(
        "--recreate", metavar="KIND/NAME", action="append", default=[], help="may be deleted and remade"
    )
    add_known_good(parser)
    add_option(parser, "strategy", "how users are kept safe", choices=STRATEGIES)
    add_option(parser, "steps", "share of the target in percent, rising, the last one 100", metavar="PERCENTAGES")
    add_option(parser, "pause-at", "steps to ask a person behind; commit: before the rollback", metavar="STEPS")
    add_option(parser, "bake", "how long each step, and the restored pods, must look good", metavar="TIME")
    add_option(parser, "timeout", "how long a step may wait for its decision", metavar="TIME")
    add_option(parser, "route", "the route to move (default: found)", metavar="KIND/NAME")
    add_option(parser, "gitops.sync", "Argo CD or Flux owns it: refuse (default), suspend, or resume it in the end")
    add_option(parser, "pinned", "rules for requests with a certain header or cookie: move (default) or leave")
    add_option(
        parser,
        "metrics.url",
        "address of a Prometheus, or service/NAMESPACE/NAME:PORT (default: the gateway's own metrics)",
        metavar="URL",
    )
    add_state(parser)
    native = parser.add_argument_group("native rollback")
    native.add_argument("--no-hooks", action="store_true", help="run no hooks")
    native.add_argument("--cleanup-on-fail", action="store_true", help="delete new objects when the rollback fails")
    native.add_argument("--force-conflicts", action="store_true", help="Helm 4: take over fields of other managers")
    native.add_argument("--force-replace", action="store_true", help="Helm 4: replace objects instead of patching")
    native.add_argument("--server-side", choices=("auto", "true", "false"), default="auto", help="Helm 4: how to apply")
    native.add_argument("--description", metavar="TEXT", default="", help="Helm 4.3: description of the new revision")
    native.add_argument("--history-max", metavar="N", type=int, help="revisions to keep; 0 keeps all")


def add_state(parser: argparse.ArgumentParser) -> None:
    """Where the state is that does not travel back."""
    group = parser.add_argument_group("state that does not travel back")
    where = "secret/NAME#KEY, env:VARIABLE, auto (as the release's pods have it) or an address"
    add_option(group, "state.database", f"database to read: {where}", metavar="WHERE")
    add_option(group, "state.redis", "Redis to sample", metavar="WHERE")
    add_option(group, "state.kafka", "Kafka to ask: kafka://HOST:PORT, secret/NAME#KEY, env:VARIABLE", metavar="WHERE")
    add_option(group, "state.registry", "Schema Registry beside it", metavar="WHERE")


def add_in_cluster(parser: argparse.ArgumentParser) -> None:
    """Where a run has its process, and who looks after it."""
    parser.add_argument("--in-cluster", action="store_true", help="carry the run out by a Job and follow it (--image)")
    parser.add_argument("--print-manifests", action="store_true", help="print what --in-cluster would make, and stop")
    parser.add_argument("--or-resume", action="store_true", help="go on with an unfinished run, if there is one")
    parser.add_argument("--watchdog", action="store_true", help="leave a guard in the cluster beside the run (--image)")
    add_option(parser, "in-cluster.image", "image of helm-safe, for what runs in the cluster", metavar="IMAGE")
    add_option(parser, "in-cluster.after", "the guard acts after so long without a sign of life", metavar="TIME")


def add_telling(parser: argparse.ArgumentParser) -> None:
    """Those who are told of a run (policy: notifiers)."""
    parser.add_argument("--incident", metavar="KEY", help="join an incident that is open already")
    parser.add_argument("--notify-dry-run", action="store_true", help="show what notifiers would send; send nothing")


def add_known_good(parser: argparse.ArgumentParser) -> None:
    """What decides which revisions are good: `history` and the runs share it."""
    parser.add_argument("--policy", metavar="FILE", help="policy; else the ConfigMap helm-safe-policy, if there is one")
    add_option(parser, "known-good-after", "time in service that makes a revision known good", metavar="TIME")


def add_option(parser: argparse._ActionsContainer, key: str, words: str, **how: Any) -> None:
    """The flag of one row of the table. Its default is None, so that policy and annotations have their say."""
    option = OPTIONS[key]
    default = f" (default {option.written(option.default)})" if option.default else ""
    parser.add_argument(option.flag, help=words + default, **how)


def option_flags(args: argparse.Namespace) -> dict[str, str]:
    """What was typed for the options of the table, by key."""
    flags = {key: option.flag.removeprefix("--").replace("-", "_") for key, option in OPTIONS.items() if option.flag}
    typed = {key: getattr(args, name, None) for key, name in flags.items()}
    return {key: _private(key, text) for key, text in typed.items() if text is not None}


def _private(key: str, text: str) -> str:
    """An address with a password goes on as a variable of this process: settings are shown and journaled."""
    if not key.startswith("state.") or not re.match(r"[\w+:]+://[^/\s]*:[^/@\s]*@", text):
        return text
    variable = "HELM_SAFE_" + key.upper().replace(".", "_")
    os.environ[variable] = text
    return f"env:{variable}"


def release_name(text: str | None) -> str:
    """The release as typed. Raises UsageError where it is missing or not a name that Helm takes."""
    if not text:
        raise UsageError(
            "the name of the release is missing",
            "Usage: helm safe-rollback RELEASE [REVISION]. A bare --kube-insecure-skip-tls-verify swallows the word "
            "after it: write =true.",
        )
    if len(text) > 53 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", text):
        raise UsageError(
            f"{text!r} is not a name of a release: lower-case letters, digits, '-' and '.', at most 53",
            "`helm list -A` shows the releases.",
        )
    return text


def namespace_name(text: str) -> str:
    """The namespace as given. Raises UsageError where it is not a name that Kubernetes takes."""
    if len(text) > 63 or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text):
        raise UsageError(
            f"{text!r} is not a name of a namespace: lower-case letters, digits and '-', at most 63",
            "`kubectl get namespaces` shows them.",
        )
    return text


def revision_number(text: str | None) -> int | None:
    """The revision as typed, None when absent. Raises UsageError for anything but a whole number above 0."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise UsageError(
            f"revision {text!r} is not a whole number above 0",
            "`helm safe-rollback history RELEASE` shows the revisions. Leave it out to be offered the newest good one.",
        )
    return int(text)


def incident_key(text: str | None) -> str:
    """The key as typed, "" when absent. Raises UsageError for what no notifier could take."""
    if text is not None and not (0 < len(text) <= 255 and text.isascii() and text.isprintable() and " " not in text):
        raise UsageError("--incident: a key of at most 255 characters without blanks is expected", "`status` tells it.")
    return text or ""


def acceptances(pairs: list[str]) -> dict[str, str]:
    """`--accept ID="reason"` as a mapping. Raises UsageError where the reason is missing."""
    accepted = {}
    for pair in pairs:
        check, equals, reason = pair.partition("=")
        if not equals or not reason.strip():
            raise UsageError(
                f"--accept {pair} has no reason", f'Write --accept {check}="why this is safe"; it is journaled.'
            )
        accepted[check.strip()] = reason.strip().strip('"')
    return accepted
