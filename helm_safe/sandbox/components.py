"""The command line of each program of the sandbox."""

from __future__ import annotations

import importlib.util

from helm_safe.sandbox.network import METRICS_IP, NODE_IP, POD_CIDR, SERVICE_CIDR
from helm_safe.sandbox.spec import NODE, Spec

METRICS_PORT = 9100
TRAEFIK_CLASS = "traefik"
RESOURCE_METRICS_PORT = 4443


def etcd(spec: Spec) -> list[str]:
    """Without fsync: the data is gone with the sandbox anyway."""
    client, peer = f"http://127.0.0.1:{spec.ports.etcd}", f"http://127.0.0.1:{spec.ports.etcd_peer}"
    return [
        spec.programs["etcd"],
        f"--data-dir={spec.data / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def kube_apiserver(spec: Spec) -> list[str]:
    """It makes its own certificate, valid for 127.0.0.1; that pair also signs the ServiceAccount tokens."""
    return [
        spec.programs["kube-apiserver"],
        f"--etcd-servers=http://127.0.0.1:{spec.ports.etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={spec.ports.api}",
        f"--advertise-address={NODE_IP}",
        f"--cert-dir={spec.certificate.parent}",
        f"--token-auth-file={spec.data / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={spec.key}",
        f"--service-account-key-file={spec.key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        "--shutdown-delay-duration=0s",
        "--enable-aggregator-routing=true",  # to the endpoints themselves: no kube-proxy leads a Service anywhere
        "--v=1",
    ]


def kube_controller_manager(spec: Spec) -> list[str]:
    """Without the parts that only real machines need; without an agent nobody keeps the node's heartbeat."""
    switched_off = ["nodeipam", "bootstrapsigner", "tokencleaner", "service-lb-controller", "node-route-controller"]
    if not has_agent(spec):
        switched_off.append("node-lifecycle-controller")
    return [
        spec.programs["kube-controller-manager"],
        f"--kubeconfig={spec.inner_kubeconfig}",
        f"--controllers=*,{','.join('-' + name for name in switched_off)}",
        "--leader-elect=false",
        "--horizontal-pod-autoscaler-sync-period=3s",  # 15 s by default, and a new autoscaler waits that long first
        "--horizontal-pod-autoscaler-downscale-stabilization=10s",  # 5 min by default
        "--bind-address=127.0.0.1",
        f"--secure-port={spec.ports.controllers}",
        f"--tls-cert-file={spec.certificate}",
        f"--tls-private-key-file={spec.key}",
        f"--root-ca-file={spec.certificate}",
        f"--service-account-private-key-file={spec.key}",
        "--v=1",
    ]


def kube_scheduler(spec: Spec) -> list[str]:
    return [
        spec.programs["kube-scheduler"],
        f"--kubeconfig={spec.inner_kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={spec.ports.scheduler}",
        f"--tls-cert-file={spec.certificate}",
        f"--tls-private-key-file={spec.key}",
        "--v=1",
    ]


def traefik(spec: Spec) -> list[str]:
    """The gateway: Gateway API, its own kinds, plain Ingresses and those with annotations of ingress-nginx; metrics on
    an address of their own.
    """
    return [
        spec.programs["traefik"],
        f"--entrypoints.web.address=127.0.0.1:{spec.ports.gateway}",
        f"--entrypoints.metrics.address={METRICS_IP}:{METRICS_PORT}",
        "--providers.kubernetesgateway=true",
        "--providers.kubernetesgateway.statusaddress.ip=127.0.0.1",
        "--providers.kubernetesingressnginx=true",
        "--providers.kubernetescrd=true",
        "--providers.kubernetesingress=true",
        f"--providers.kubernetesingress.ingressclass={TRAEFIK_CLASS}",
        "--metrics.prometheus=true",
        "--metrics.prometheus.entrypoint=metrics",
        "--metrics.prometheus.addserviceslabels=true",
        "--metrics.prometheus.addrouterslabels=true",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=INFO",
    ]


def agent(spec: Spec) -> list[str]:
    """The kubelet of the make-believe containers."""
    return [
        spec.python,
        *("-m", "helm_safe.sandbox.agent"),
        *("--kubeconfig", str(spec.inner_kubeconfig)),
        *("--node", NODE),
        *("--node-ip", NODE_IP),
        *("--log-dir", str(spec.data / "pods")),
        *("--pod-cidr", POD_CIDR),
        *("--tls-cert-file", str(spec.certificate)),
        *("--tls-key-file", str(spec.key)),
        *("--metrics-port", str(RESOURCE_METRICS_PORT)),
    ]


def has_agent(spec: Spec) -> bool:
    """Pods run only where every 10.x address is local and the agent's libraries are installed."""
    return spec.isolated and importlib.util.find_spec("aiohttp") is not None
