"""The ports of a command, with a client whose calls can be counted."""

from __future__ import annotations

import os
from pathlib import Path

from helm_safe.cli.gates import metrics_of, queries_of
from helm_safe.helm.releases import open_releases
from helm_safe.journal.clock import SystemClock
from helm_safe.kube.cluster import KubeCluster
from helm_safe.ports import Reporter
from helm_safe.rollback.context import World


def open_world(cluster: KubeCluster, reporter: Reporter, evidence: Path) -> World:
    clock = SystemClock()
    return World(
        cluster,
        open_releases(cluster, os.environ),
        clock,
        reporter,
        evidence,
        lambda resolved: metrics_of(resolved, cluster, clock, os.environ),
        lambda resolved: queries_of(resolved, cluster, clock, os.environ),
    )
