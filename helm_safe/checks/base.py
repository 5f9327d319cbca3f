"""What a check is: a pure function of a Snapshot, and the words around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.model.snapshot import Snapshot

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

# (group, kind) of what checks ask to be listed
CONFIG_MAP, SECRET, POD, SERVICE = ("", "ConfigMap"), ("", "Secret"), ("", "Pod"), ("", "Service")
NODE, CLAIM, VOLUME, QUOTA = (
    ("", "Node"),
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "ResourceQuota"),
)
ACCOUNT, PRIORITY_CLASS = ("", "ServiceAccount"), ("scheduling.k8s.io", "PriorityClass")
DEPLOYMENT, STATEFUL_SET, DAEMON_SET = ("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet")
AUTOSCALER, SCALED_OBJECT = ("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")
BUDGET = ("policy", "PodDisruptionBudget")
VOLUME_SNAPSHOT, REPLICA_SET = ("snapshot.storage.k8s.io", "VolumeSnapshot"), ("apps", "ReplicaSet")
DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
WEBHOOKS = (
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("apiregistration.k8s.io", "APIService"),
)
_GATEWAY_API, _ISTIO, _TRAEFIK = "gateway.networking.k8s.io", "networking.istio.io", "traefik.io"
HTTP_ROUTE = (_GATEWAY_API, "HTTPRoute")
# Kinds that routers move or look at, as far as they lie in namespaces.
ROUTES = (
    HTTP_ROUTE,
    *((_GATEWAY_API, kind) for kind in ("GRPCRoute", "TCPRoute", "TLSRoute")),
    *((_ISTIO, kind) for kind in ("VirtualService", "DestinationRule", "Gateway")),
    *((_TRAEFIK, kind) for kind in ("TraefikService", "IngressRoute", "IngressRouteTCP")),
    ("networking.k8s.io", "Ingress"),
    ("projectcontour.io", "HTTPProxy"),
    ("apisix.apache.org", "ApisixRoute"),
    ("zalando.org", "RouteGroup"),
    ("kuma.io", "MeshHTTPRoute"),
    ("kuma.io", "MeshTCPRoute"),
    ("route.openshift.io", "Route"),
    ("gateway.solo.io", "RouteTable"),
    ("gateway.solo.io", "VirtualService"),
    ("split.smi-spec.io", "TrafficSplit"),
)
WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)

Need = tuple[str, str]


def always(_snapshot: Snapshot) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Check:
    """One rule.

    id: permanent literal of the catalogue. title: a few words. severity: the usual one; a finding may carry a milder
    one. summary: what it looks for and why it matters. remedy: the general way out. needs: (group, kind) that must be
    listed for a verdict. waivable: whether `--accept` may let it through. when: whether it concerns the run at all;
    where it does not, what could not be read does not matter either.
    """

    id: str
    title: str
    severity: Severity
    summary: str
    remedy: str
    run: Callable[[Snapshot], Iterator[Finding]]
    needs: tuple[Need, ...] = ()
    waivable: bool = True
    when: Callable[[Snapshot], bool] = always

    def unverified(self, message: str, *evidence: str, object: str = "", remediation: str = "") -> Finding:  # noqa: A002
        """The finding for evidence that could not be had."""
        return Finding(
            self.id,
            self.severity,
            message,
            object=object,
            evidence=evidence,
            remediation=remediation,
            status=Status.UNVERIFIED,
        )
