"""The real API server for the suites of the Cluster port."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from helm_safe.core.objects import ObjectRef
from helm_safe.kube.cluster import KubeCluster
from helm_safe.sandbox.cluster import Sandbox


@contextmanager
def real_cluster(sandbox: Sandbox, namespace: str) -> Iterator[KubeCluster]:
    """The Cluster, with a namespace that it creates and deletes itself."""
    cluster = KubeCluster.connect({**os.environ, "KUBECONFIG": str(sandbox.kubeconfig)})
    namespaces = cluster.served().preferred("", "Namespace")
    assert namespaces is not None
    cluster.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield cluster
    cluster.delete(namespaces, ObjectRef("", "Namespace", "", namespace))
    cluster.close()
