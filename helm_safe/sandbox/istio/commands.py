"""The command lines, environment and configuration of istiod and of its Envoy."""

from __future__ import annotations

import json
from typing import Any

from helm_safe.sandbox.network import ISTIO_IP
from helm_safe.sandbox.spec import GATEWAY_NAMESPACE, Spec

ISTIOD, ENVOY = "pilot-discovery", "envoy"
GATEWAY_POD = "istio-ingressgateway"
GATEWAY_LABELS = {"istio": "ingressgateway", "app": GATEWAY_POD}
SYSTEM_NAMESPACE = "istio-system"
STATS_PORT = 15090
"""Where a gateway of Istio publishes its counters, under /stats/prometheus."""
_XDS, _DEBUG, _MONITORING, _ADMIN = 15010, 15080, 15014, 15000
READY_URL = f"http://127.0.0.1:{_DEBUG}/ready"
ENVOY_READY_URL = f"http://127.0.0.1:{_ADMIN}/ready"

MESH = {
    "defaultProviders": {},  # telemetry would be filters that only Istio's own build of Envoy has
    "enableAutoMtls": False,  # clusters would wait for certificates of an agent that is not here
    "enablePrometheusMerge": False,
    "ingressControllerMode": "OFF",  # Ingresses are Traefik's
}
ENVIRONMENT = {
    "POD_NAME": "istiod",
    "POD_NAMESPACE": SYSTEM_NAMESPACE,
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_GATEWAY_API": "false",  # Gateways are Traefik's
    # No certificates, so nothing of ours in each namespace.
    "ENABLE_CA_SERVER": "false",
    "PILOT_CERT_PROVIDER": "none",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "ENABLE_LEADER_ELECTION": "false",
}


def istiod(spec: Spec, program: str) -> list[str]:
    """It listens on 127.0.0.1 alone: a port of all addresses would be taken from every pod."""
    return [
        program,
        "discovery",
        f"--kubeconfig={spec.inner_kubeconfig}",
        f"--meshConfig={spec.data / 'istio' / 'mesh.yaml'}",
        f"--networksConfig={spec.data / 'istio' / 'networks.yaml'}",
        "--registries=Kubernetes",
        "--domain=cluster.local",
        f"--grpcAddr=127.0.0.1:{_XDS}",
        "--secureGRPCAddr=",
        "--httpsAddr=",
        f"--httpAddr=127.0.0.1:{_DEBUG}",
        f"--monitoringAddr=127.0.0.1:{_MONITORING}",
        "--ctrlz_address=127.0.0.1",
        "--log_output_level=default:info",
    ]


def envoy(spec: Spec, program: str) -> list[str]:
    """Without hot restart: several Envoys of one machine would share its memory."""
    return [
        program,
        *("--config-path", str(spec.data / "istio" / "envoy.json")),
        "--disable-hot-restart",
        *("--concurrency", "2"),
        *("--log-level", "warning"),
    ]


def write_configuration(spec: Spec) -> None:
    folder = spec.data / "istio"
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, body in (("mesh.yaml", MESH), ("networks.yaml", {}), ("envoy.json", bootstrap())):
        (folder / name).write_text(json.dumps(body), encoding="utf-8")


def bootstrap() -> dict[str, Any]:
    """As Istio's agent would write it, with the counters of each Service and subset switched on (proxyStatsMatcher)."""
    grpc = {"envoy_grpc": {"cluster_name": "xds-grpc"}}
    ads: dict[str, Any] = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    return {
        "node": {
            "id": f"router~{ISTIO_IP}~{GATEWAY_POD}.{GATEWAY_NAMESPACE}~{GATEWAY_NAMESPACE}.svc.cluster.local",
            "cluster": f"{GATEWAY_POD}.{GATEWAY_NAMESPACE}",
            "metadata": {
                "ISTIO_VERSION": "1.31.0",
                "NAMESPACE": GATEWAY_NAMESPACE,
                "CLUSTER_ID": "Kubernetes",
                "LABELS": GATEWAY_LABELS,
            },
        },
        "dynamic_resources": {
            "lds_config": ads,
            "cds_config": ads,
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [grpc],
            },
        },
        "static_resources": {
            "clusters": [_cluster("xds-grpc", _XDS, http2=True), _cluster("prometheus_stats", _ADMIN)],
            "listeners": [_stats_listener()],
        },
        "stats_config": _stats_config(),
        "admin": {"address": _address("127.0.0.1", _ADMIN)},
    }


def _address(ip: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": ip, "port_value": port}}


def _cluster(name: str, port: int, *, http2: bool = False) -> dict[str, Any]:
    """One local program; its counters are named as Istio does, so that the tags below find where the name ends."""
    endpoint = {"endpoint": {"address": _address("127.0.0.1", port)}}
    made: dict[str, Any] = {
        "name": name,
        "alt_stat_name": f"{name};",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if http2:
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        made["typed_extension_protocol_options"] = {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return made


def _stats_listener() -> dict[str, Any]:
    """Only the counters: the rest of the admin interface could end the gateway."""
    route = {"match": {"prefix": "/stats/prometheus"}, "route": {"cluster": "prometheus_stats"}}
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    connections = {
        "@type": f"type.googleapis.com/{manager}",
        "stat_prefix": "stats",
        "route_config": {"virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router}}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]
    return {
        "name": f"{ISTIO_IP}_{STATS_PORT}",
        "address": _address(ISTIO_IP, STATS_PORT),
        "filter_chains": [{"filters": filters}],
    }


def _stats_config() -> dict[str, Any]:
    """Istio's own tags; those of Envoy would cut the name of a cluster at its first dot."""
    tags = {
        "cluster_name": r"^cluster(\.(.+);)",
        "response_code": r"_rq(_(\d{3}))$",
        "response_code_class": r"_rq(_(\dxx))$",
    }
    included = ("cluster_manager", "listener_manager", "server", "cluster.xds-grpc", "cluster.outbound")
    return {
        "use_all_default_tags": False,
        "stats_tags": [{"tag_name": name, "regex": pattern} for name, pattern in tags.items()],
        "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": each} for each in included]}},
    }
