"""The few fields of a kubeconfig that the agent needs: server, certificate authority and token."""

from __future__ import annotations

import base64
import binascii
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helm_safe.core import yamlio
from helm_safe.core.objects import dig, mapping, sequence


class KubeconfigError(ValueError):
    """The file cannot be read, or lacks what is needed; the message says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the API is. The token is kept out of representations."""

    server: str
    token: str = field(repr=False)
    ca_pem: str = field(repr=False)
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """Trusts the given authority alone; a self-signed server certificate may be its own authority."""
        trusted = ssl.create_default_context(cadata=self.ca_pem)
        trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return trusted


def read(path: Path) -> Target:
    """The target of the current context; raises KubeconfigError."""
    try:
        config = yamlio.load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"the kubeconfig {path} cannot be read: {error}") from error
    context = _named(config, "contexts", dig(config, "current-context"), "context")
    cluster = _named(config, "clusters", context.get("cluster"), "cluster")
    user = _named(config, "users", context.get("user"), "user")
    server, token = cluster.get("server"), user.get("token")
    if not isinstance(server, str) or not isinstance(token, str):
        raise KubeconfigError(f"the kubeconfig {path} names no server or no token for its current context")
    return Target(server.rstrip("/"), token, _authority(path, cluster), str(cluster.get("tls-server-name") or ""))


def _named(config: Any, group: str, name: object, field_name: str) -> dict[str, Any]:
    return next((mapping(each, field_name) for each in sequence(config, group) if dig(each, "name") == name), {})


def _authority(path: Path, cluster: dict[str, Any]) -> str:
    inline, file = cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
    try:
        if isinstance(inline, str):
            return base64.b64decode(inline, validate=True).decode("ascii")
        if isinstance(file, str):
            return (path.parent / file).read_text(encoding="ascii")
    except (OSError, binascii.Error, UnicodeDecodeError) as error:
        raise KubeconfigError(f"the certificate authority of {path} cannot be read: {error}") from error
    raise KubeconfigError(f"the kubeconfig {path} has no certificate authority")
