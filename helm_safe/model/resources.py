"""Kinds that every cluster serves and that runs address directly."""

from __future__ import annotations

from helm_safe.core.objects import Gvk
from helm_safe.model.snapshot import Resource

PODS = Resource(Gvk("", "v1", "Pod"), "pods", namespaced=True)
SERVICES = Resource(Gvk("", "v1", "Service"), "services", namespaced=True)
ENDPOINT_SLICES = Resource(Gvk("discovery.k8s.io", "v1", "EndpointSlice"), "endpointslices", namespaced=True)
SERVICE_NAME = "kubernetes.io/service-name"
"""The label that names the Service of an EndpointSlice."""
EVENTS = Resource(Gvk("", "v1", "Event"), "events", namespaced=True)
CONFIG_MAPS = Resource(Gvk("", "v1", "ConfigMap"), "configmaps", namespaced=True)
SECRETS = Resource(Gvk("", "v1", "Secret"), "secrets", namespaced=True)
LEASES = Resource(Gvk("coordination.k8s.io", "v1", "Lease"), "leases", namespaced=True)
DEPLOYMENTS = Resource(Gvk("apps", "v1", "Deployment"), "deployments", namespaced=True)
STATEFUL_SETS = Resource(Gvk("apps", "v1", "StatefulSet"), "statefulsets", namespaced=True)
DAEMON_SETS = Resource(Gvk("apps", "v1", "DaemonSet"), "daemonsets", namespaced=True)
REPLICA_SETS = Resource(Gvk("apps", "v1", "ReplicaSet"), "replicasets", namespaced=True)
POD_METRICS = Resource(Gvk("metrics.k8s.io", "v1beta1", "PodMetrics"), "pods", namespaced=True)

WORKLOADS = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS}
