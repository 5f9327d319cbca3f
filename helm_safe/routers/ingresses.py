"""Whose an Ingress is: several gateways read the same kind, each only those of its class."""

from __future__ import annotations

from collections.abc import Callable

from helm_safe.core.objects import Object, annotations_of, dig, name_of
from helm_safe.model.routes import Around

INGRESS = ("networking.k8s.io", "Ingress")
INGRESS_CLASS = ("networking.k8s.io", "IngressClass")
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


def of_controller(controller: str, name: str, prefix: str) -> Callable[[Object, Around], bool]:
    """A test whether an Ingress is of a controller.

    name: of the class as people call it, which counts where the IngressClass may not be read. prefix: of annotations
    that only this controller knows, which count where the Ingress names no class at all.
    """

    def mine(ingress: Object, around: Around) -> bool:
        wanted = class_of(ingress)
        classes = list(around.of_kind(*INGRESS_CLASS))
        for each in classes:
            if name_of(each) == wanted or (not wanted and annotations_of(each).get(_DEFAULT) == "true"):
                return str(dig(each, "spec", "controller")) == controller
        return wanted == name if wanted else any(key.startswith(prefix) for key in annotations_of(ingress))

    return mine


def class_of(ingress: Object) -> str:
    """The name of its class, "" where it names none."""
    return str(
        dig(ingress, "spec", "ingressClassName") or annotations_of(ingress).get("kubernetes.io/ingress.class") or ""
    )
