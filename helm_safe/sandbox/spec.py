"""What one sandbox is made of, decided by `up` and handed to the processes that run it."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from helm_safe.sandbox.errors import OtherVersion

CONTEXT = "helm-safe-sandbox"
GATEWAY_NAMESPACE = "sandbox-gateway"
NODE = "sandbox-node"


class User(NamedTuple):
    """A user that the API server knows by token; `groups` decide what RBAC lets it do."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("admin", ("system:masters",))
# Users without any right of their own: tests bind Roles to them.
POWERLESS = (User("limited"), User("other"))
USERS = (ADMIN, *POWERLESS)


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on 127.0.0.1 of the place where the control plane runs."""

    etcd: int = 2379
    etcd_peer: int = 2380
    api: int = 6443
    controllers: int = 10257
    scheduler: int = 10259
    gateway: int = 8000
    istio: int = 8001


@dataclass(frozen=True, slots=True)
class Spec:
    """One sandbox.

    Attributes:
        folder: the private run folder.
        programs: the path of each program by name; `traefik` only with a data plane.
        crds: the folder of the Gateway API's definitions, empty without a data plane.
        python: the interpreter that runs our own parts.
        api_port, gateway_port: the ports on the host's loopback that lead to the API server and the gateway.
        isolated: whether it has namespaces of its own, and so a data plane.
        user_namespace: whether those were made without being root.

    """

    name: str
    folder: str
    programs: dict[str, str]
    crds: str
    python: str
    api_port: int
    gateway_port: int
    isolated: bool
    user_namespace: bool
    ports: Ports = field(default_factory=Ports)

    @property
    def run(self) -> Path:
        return Path(self.folder)

    @property
    def data(self) -> Path:
        """What only the sandbox sees: certificates, keys and etcd's files."""
        return self.run / "data"

    @property
    def certificate(self) -> Path:
        return self.data / "certs" / "apiserver.crt"

    @property
    def key(self) -> Path:
        return self.data / "certs" / "apiserver.key"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def tokens(self) -> Path:
        return self.run / "tokens.json"

    @property
    def kubeconfig(self) -> Path:
        return self.run / "kubeconfig"

    @property
    def inner_kubeconfig(self) -> Path:
        return self.data / "kubeconfig"

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Spec:
        """What `dump` wrote. Raises OtherVersion when it is not this version's, whatever is missing or too many."""
        try:
            raw: dict[str, Any] = json.loads(text)
            return cls(**{**raw, "ports": Ports(**raw["ports"])})
        except (ValueError, TypeError, KeyError) as error:
            raise OtherVersion(
                "The sandbox was started by another version of helm-safe, and this one cannot read its description.",
                "Use that version, or take it down and up again: helm-safe sandbox down, with --name for its name.",
            ) from error


def new_tokens() -> dict[str, str]:
    """A fresh token for each user."""
    return {user.name: secrets.token_hex(24) for user in USERS}


def token_file(tokens: dict[str, str]) -> str:
    """The API server's --token-auth-file: token,user,uid,"groups"."""
    rows = (f'{tokens[user.name]},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in USERS)
    return "".join(rows)


def kubeconfig(server: str, authority: str, user: str, token: str) -> str:
    """A kubeconfig (JSON, which every reader of YAML takes); `authority` is the base64 of the CA's PEM."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user, "namespace": "default"}}],
    }
    return json.dumps(config, indent=2) + "\n"
