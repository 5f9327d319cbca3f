"""`python -m helm_safe.sandbox.agent`: run the pod agent inside the sandbox's network namespace."""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from helm_safe.sandbox.agent import kubeconfig
from helm_safe.sandbox.agent.addresses import Addresses
from helm_safe.sandbox.agent.agent import Agent
from helm_safe.sandbox.agent.api import NO_ANSWER, ApiError, connect
from helm_safe.sandbox.agent.clock import Clock
from helm_safe.sandbox.agent.container import Means
from helm_safe.sandbox.agent.events import Recorder
from helm_safe.sandbox.agent.kubelet_api import KubeletApi
from helm_safe.sandbox.agent.logs import Logs
from helm_safe.sandbox.agent.metrics_api import MetricsApi
from helm_safe.sandbox.agent.node import Node, NodeFacts
from helm_safe.sandbox.agent.probing import open_prober
from helm_safe.sandbox.agent.references import References
from helm_safe.sandbox.agent.server import Certificate, listen_http, serving

CONFIGURATION = 2


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m helm_safe.sandbox.agent", description=__doc__)
    found.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server, with a token")
    found.add_argument("--node", required=True, help="name of the Node that the agent is")
    found.add_argument("--node-ip", required=True, help="address of the Node")
    found.add_argument("--log-dir", type=Path, required=True, help="folder for the containers' logs")
    found.add_argument("--pod-cidr", default="10.8.0.0/16", help="range of the pods' addresses")
    found.add_argument("--tls-cert-file", type=Path, help="certificate of both APIs; without it there are none")
    found.add_argument("--tls-key-file", type=Path, help="private key of that certificate")
    found.add_argument("--port", type=int, default=10250, help="port of the kubelet API")
    found.add_argument("--metrics-port", type=int, default=4443, help="port of the resource metrics API")
    found.add_argument("--heartbeat", type=float, default=5.0, help="seconds between renewals of the node's Lease")
    found.add_argument(
        "--restart-backoff", type=float, default=10.0, help="seconds before the second restart, doubling"
    )
    found.add_argument("--kubelet-version", default="v1.36.3", help="version that the Node reports")
    return found


async def serve(options: argparse.Namespace) -> None:
    """Run until cancelled, or until one of the parts fails for good."""
    clock = Clock()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(connect(kubeconfig.read(options.kubeconfig)))
        recorder = Recorder(api, clock, component="kubelet", node=options.node)
        logs = Logs(options.log_dir, clock)
        means = Means(
            clock=clock,
            events=recorder,
            logs=logs,
            references=References(api, clock),
            prober=await stack.enter_async_context(open_prober()),
            listen=listen_http,
            backoff=options.restart_backoff,
        )
        agent = Agent(api, means, Addresses(options.pod_cidr), node=options.node, host=options.node_ip)
        facts = NodeFacts(options.node, options.node_ip, options.port, options.kubelet_version)
        if options.tls_cert_file and options.tls_key_file:
            certificate = Certificate(options.tls_cert_file, options.tls_key_file)
            apps = {
                options.port: KubeletApi(agent, logs, clock).app(),
                options.metrics_port: MetricsApi(agent, clock, options.node).app(),
            }
            for port, app in apps.items():
                await stack.enter_async_context(serving(app, options.node_ip, port, certificate))
        node = Node(api, clock, facts, means.images, heartbeat=options.heartbeat)
        await asyncio.gather(node.run(), recorder.run(), agent.run())


async def until_signalled(options: argparse.Namespace) -> None:
    task = asyncio.ensure_future(serve(options))
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
    # One socket for each pod's port and one for each of its clients.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        asyncio.run(until_signalled(options))
    except (kubeconfig.KubeconfigError, ApiError, *NO_ANSWER) as error:
        sys.stderr.write(f"the pod agent cannot run: {error}\n")
        return CONFIGURATION
    return 0


if __name__ == "__main__":
    sys.exit(main())
