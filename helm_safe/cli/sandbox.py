"""`sandbox up|down|status|exec|env|build|purge|demo`: a disposable real cluster on this machine."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helm_safe.cli import options
from helm_safe.model.errors import OK, UsageError

if TYPE_CHECKING:
    from helm_safe.sandbox.cluster import Sandbox

VERBS = {
    "up": "bring it up (builds its programs the first time)",
    "down": "take it down; nothing is left but the built programs",
    "status": "what is up",
    "exec": "run a command against it: exec -- CMD ...",
    "env": "export lines for a shell",
    "build": "build its programs now",
    "purge": "remove the built programs",
    "demo": "a broken release under load: plain helm rollback beside safe-rollback",
}

STORIES = ("incident", "migration", "autopsy")
ROUTERS = ("gateway-api", "istio", "nginx", "traefik", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(f"  {verb:<7} {words}" for verb, words in VERBS.items())
    parser.add_argument("verb", choices=tuple(VERBS), metavar="VERB", help=" | ".join(VERBS))
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="for exec: -- CMD ...")
    add_flags(parser)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="default", help="several sandboxes can be up at once")
    parser.add_argument("--binaries", type=Path, metavar="DIR", help="use programs that you have")
    parser.add_argument("--foreground", action="store_true", help="up: stay; Ctrl-C takes it down")
    parser.add_argument("--istio", action="store_true", help="up: with istiod, and an Envoy as its ingress gateway")
    parser.add_argument("--inside", action="store_true", help="exec: in the sandbox's own network")
    parser.add_argument("--helm", choices=("3", "4"), default="4", help="demo: which helm")
    parser.add_argument("--router", choices=ROUTERS, default=ROUTERS[0], help="demo: how users come to the release")
    parser.add_argument("--story", choices=STORIES, default="incident", help="demo: which story")
    parser.add_argument("--kill", action="store_true", help="demo: kill the safe run in the middle, and resume it")
    parser.add_argument("--report", metavar="FILE", help="demo: write the run's HTML report there")
    parser.add_argument("--keep", action="store_true", help="demo: leave the sandbox up")
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Flags may stand on either side of the verb; what follows `--` belongs to the command of exec."""
    if args.verb == "exec":
        flags, command = _split(args.words)
        args.words = command
    else:
        flags = args.words
    parser = options.Parser(prog=f"helm-safe sandbox {args.verb}", description=VERBS[args.verb])
    add_flags(parser)
    parser.parse_args(flags, namespace=args)
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "up": _up, "down": _down, "status": _status, "exec": _exec,
        "env": _env, "build": _build, "purge": _purge, "demo": _demo,
    }  # fmt: skip
    return verbs[args.verb](args)


def say(text: str) -> None:
    """Progress goes to stderr: stdout carries what was asked for."""
    print(f"sandbox: {text}", file=sys.stderr, flush=True)  # noqa: T201 - one line at a time


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    if "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return [], words


def _up(args: argparse.Namespace) -> int:
    from helm_safe.sandbox.cluster import Sandbox

    sandbox = Sandbox.up(args.name, binaries=args.binaries, say=say, owned=args.foreground)
    try:
        if args.istio:
            say("starting Istio")
            sandbox.start_istio()
        _tell(args, sandbox)
        if args.foreground:
            say("Ctrl-C takes it down")
            sandbox.stay()
    except KeyboardInterrupt:
        say("taking it down")
    finally:
        if args.foreground:
            sandbox.down()
    return OK


def _tell(args: argparse.Namespace, sandbox: Sandbox) -> None:
    if args.output == "text":
        print(f"export KUBECONFIG={shlex.quote(str(sandbox.kubeconfig))}")  # noqa: T201 - for a shell to read
        say(f"up; API server {sandbox.api_url}, gateway {sandbox.gateway_url}{_istio(sandbox)}")
    else:
        _write(args, document(sandbox))


def _down(args: argparse.Namespace) -> int:
    from helm_safe.sandbox.cluster import take_down

    take_down(args.name)
    say(f"{args.name} is down; the built programs stay (remove them with: helm-safe sandbox purge)")
    return OK


def _status(args: argparse.Namespace) -> int:
    from helm_safe.sandbox import cache, layout
    from helm_safe.sandbox.cluster import Sandbox
    from helm_safe.sandbox.errors import NotUp, OtherVersion
    from helm_safe.sandbox.progress import megabytes

    found, troubles = [], {name: why for name in layout.names() if (why := layout.failure(layout.run_folder(name)))}
    for name in layout.sweep():
        try:
            found.append(Sandbox.attach(name))
        except (NotUp, OtherVersion) as error:  # it is on its way up or down, or not ours to read
            troubles[name] = f"{error.message} {error.next_step}"
    if args.output != "text":
        up = [document(each) for each in found]
        _write(args, {"sandboxes": up, "troubles": troubles, "cache": str(cache.root())})
        return OK
    for name, why in troubles.items():
        print(f"{name}: {why}")  # noqa: T201 - one line each, printable where it was written
    for each in found:
        where = f"{each.api_url}, gateway {each.gateway_url}{_istio(each)}"
        print(f"{each.spec.name}: up, {where}, {each.kubeconfig}")  # noqa: T201 - one line each
    if not found and not troubles:
        print("no sandbox is up")  # noqa: T201 - one line
    print(f"built programs: {megabytes(cache.size(cache.root()))} in {cache.root()}")  # noqa: T201 - one line
    return OK


def document(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "name": sandbox.spec.name,
        "kubeconfig": str(sandbox.kubeconfig),
        "apiServer": sandbox.api_url,
        "gateway": sandbox.gateway_url if sandbox.spec.isolated else "",
        "dataPlane": sandbox.spec.isolated,
        "istio": sandbox.istio_url,
    }


def _istio(sandbox: Sandbox) -> str:
    return f", Istio's gateway inside at {sandbox.istio_url}" if sandbox.istio_url else ""


def _exec(args: argparse.Namespace) -> int:
    from helm_safe.sandbox.cluster import TOOLS, Sandbox

    if not args.words:
        raise UsageError("the command to run is missing", "Usage: helm-safe sandbox exec -- kubectl get pods -A")
    sandbox = Sandbox.attach(args.name, binaries=args.binaries)
    if args.words[0] in TOOLS:
        sandbox.link(args.words[0])  # out here, where the network is
    command = sandbox.inside(args.words) if args.inside else args.words
    try:
        return subprocess.run(command, env={**os.environ, **sandbox.env()}, check=False).returncode
    except FileNotFoundError as error:
        raise UsageError(f"there is no program called {args.words[0]}") from error


def _env(args: argparse.Namespace) -> int:
    from helm_safe.sandbox.cluster import Sandbox

    for name, value in Sandbox.attach(args.name, binaries=args.binaries).env().items():
        print(f"export {name}={shlex.quote(value)}")  # noqa: T201 - for a shell to read
    return OK


def _build(args: argparse.Namespace) -> int:
    from helm_safe.sandbox.programs import Programs

    programs = Programs(args.binaries, say)
    programs.ensure_core()
    programs.ensure_crds()
    for name in ("helm3", "traefik"):
        programs.ensure(name)
    return OK


def _purge(args: argparse.Namespace) -> int:  # noqa: ARG001 - the same form as its siblings
    from helm_safe.sandbox import cache, layout
    from helm_safe.sandbox.progress import megabytes

    if layout.sweep():
        raise UsageError("a sandbox is up", "Take it down first: helm-safe sandbox down")
    say(f"removed {megabytes(cache.purge())} in {cache.root()}")
    return OK


def _demo(args: argparse.Namespace) -> int:
    from helm_safe.cli import demo, inquests, story

    stories = {"incident": demo.run, "migration": story.run, "autopsy": inquests.run}
    return stories[args.story](args)


def _write(args: argparse.Namespace, body: Any) -> None:
    from helm_safe.report.document import write_document

    write_document(body, args.output)
