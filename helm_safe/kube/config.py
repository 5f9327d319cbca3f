"""Where the API server is and who we are: kubeconfig files and Helm's environment, as kubectl and Helm read them.

The official client is not used for this, except for the old `auth-provider` logins: importing it loads more than 800
modules (0.7 s), goes on anonymously when a credential plugin fails, and leaves client keys in temporary files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helm_safe.core.proxies import proxy_for
from helm_safe.kube.answers import shown
from helm_safe.kube.credentials import CredentialSource, ExecContext, credential_source, fixed_token, token_file
from helm_safe.kube.kubeconfig import Kubeconfig, pem, read_file, read_kubeconfig
from helm_safe.model.errors import Unreachable

_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything needed to talk to one API server.

    server: base address without a slash at its end. namespace: the default one. source: what messages call it.
    authority: PEM of trusted certificates, empty for the system's. credentials: reads them anew at each call.
    impersonation: headers, in order.
    """

    server: str
    namespace: str
    context: str
    source: str
    credentials: CredentialSource = field(repr=False)
    authority: bytes = field(default=b"", repr=False)
    insecure: bool = False
    server_name: str = ""
    proxy: str = field(default="", repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()


def connection(env: Mapping[str, str]) -> Connection:
    """The connection that Helm would use in this environment.

    Flags of our own are given as the variables that Helm sets for its plugins (KUBECONFIG, HELM_KUBECONTEXT,
    HELM_NAMESPACE, HELM_KUBETOKEN, …). Raises Unreachable, whose text names the file or context and the next step.
    """
    found = read_kubeconfig(env)
    if not found.files and not env.get("HELM_KUBEAPISERVER") and env.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster(env)
    return _from_kubeconfig(env, found)


def _from_kubeconfig(env: Mapping[str, str], found: Kubeconfig) -> Connection:
    name = env.get("HELM_KUBECONTEXT") or found.current_context
    context = _context(found, name, env)
    cluster = _entry(found, context, "cluster", optional=bool(env.get("HELM_KUBEAPISERVER")))
    user = _entry(found, context, "user", optional=not context.get("user") or bool(env.get("HELM_KUBETOKEN")))
    source = f'context "{shown(name)}" of {found.where}' if name else "HELM_KUBEAPISERVER"
    server = _server(env.get("HELM_KUBEAPISERVER") or str(cluster.get("server") or ""), source)
    authority = _authority(env, cluster, source)
    plugin = ExecContext(env, name, source, {**cluster, "server": server}, authority)
    token = env.get("HELM_KUBETOKEN", "")
    return Connection(
        server=server,
        namespace=env.get("HELM_NAMESPACE") or str(context.get("namespace") or "") or "default",
        context=name,
        source=source,
        credentials=fixed_token(token, user, source) if token else credential_source(user, plugin, found),
        authority=authority,
        insecure=_insecure(env, cluster),
        server_name=env.get("HELM_KUBETLS_SERVER_NAME") or str(cluster.get("tls-server-name") or ""),
        proxy=str(cluster.get("proxy-url") or "") or proxy_for(env, server),
        impersonation=_impersonation(env, user),
    )


def _context(found: Kubeconfig, name: str, env: Mapping[str, str]) -> Mapping[str, Any]:
    if name in found.contexts:
        return found.contexts[name]
    if env.get("HELM_KUBEAPISERVER") and not env.get("HELM_KUBECONTEXT"):
        return {}
    if not found.files:
        raise Unreachable(
            f"No kubeconfig was found ({found.where}), and this is no pod of a cluster.",
            "Point KUBECONFIG or --kubeconfig to the file of your cluster, or start one with "
            "`helm safe-rollback sandbox up`.",
        )
    if not name:
        raise Unreachable(
            f"The kubeconfig {found.where} names no current context.",
            f"Choose one with --kube-context: {_known(found.contexts)}.",
        )
    raise Unreachable(
        f'The kubeconfig {found.where} has no context "{shown(name)}".',
        f"Known contexts: {_known(found.contexts)}.",
    )


def _entry(found: Kubeconfig, context: Mapping[str, Any], kind: str, *, optional: bool) -> Mapping[str, Any]:
    """The cluster or user that a context refers to; empty where it is missing but `optional`."""
    entries = found.clusters if kind == "cluster" else found.users
    name = str(context.get(kind) or "")
    if name in entries:
        return entries[name]
    if optional:
        return {}
    raise Unreachable(
        f'The chosen context of {found.where} refers to the {kind} "{shown(name)}", which is not there.',
        f"Known: {_known(entries)}. Correct the kubeconfig or choose another context.",
    )


def _known(entries: Mapping[str, Any]) -> str:
    return shown(", ".join(sorted(entries))) or "none"


def _server(text: str, source: str) -> str:
    address = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        credentials = parts.username is not None or parts.password is not None
    except ValueError:
        usable, credentials = False, False
    if not text or not usable or credentials or parts.query or parts.fragment:
        raise Unreachable(
            f'The address of the API server "{shown(text)}" of {source} cannot be used.',
            "It must look like https://host:port, without a user, query or fragment.",
        )
    return address.rstrip("/")


def _authority(env: Mapping[str, str], cluster: Mapping[str, Any], source: str) -> bytes:
    if file := env.get("HELM_KUBECAFILE"):
        return read_file(file, source)
    return pem(cluster, "certificate-authority", source)


def _insecure(env: Mapping[str, str], cluster: Mapping[str, Any]) -> bool:
    wanted = env.get("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "").lower()
    return wanted in ("true", "1", "t") or cluster.get("insecure-skip-tls-verify") is True


def _impersonation(env: Mapping[str, str], user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Helm repeats every group in HELM_KUBEASGROUPS; the API server must see each once."""
    name = env.get("HELM_KUBEASUSER") or str(user.get("as") or "")
    given = env.get("HELM_KUBEASGROUPS", "").split(",") if env.get("HELM_KUBEASGROUPS") else user.get("as-groups") or []
    groups = list(dict.fromkeys(str(group) for group in given if group))
    headers = [("Impersonate-User", name)] if name else []
    headers += [("Impersonate-Group", group) for group in groups]
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    if any("\n" in value or "\r" in value for _, value in headers):
        raise Unreachable(
            "A user or group to impersonate contains a line end.", "Correct --kube-as-user or the groups."
        )
    return tuple(headers)


def _in_cluster(env: Mapping[str, str]) -> Connection:
    host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
    source = "the service account of this pod"
    namespace = ""
    if (_IN_CLUSTER / "namespace").is_file():
        namespace = read_file(str(_IN_CLUSTER / "namespace"), source).decode("utf-8", "replace").strip()
    token = env.get("HELM_KUBETOKEN", "")
    return Connection(
        server=_server(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", source),
        namespace=env.get("HELM_NAMESPACE") or namespace or "default",
        context="",
        source=source,
        credentials=fixed_token(token, {}, source) if token else token_file(_IN_CLUSTER / "token", source),
        authority=read_file(env.get("HELM_KUBECAFILE") or str(_IN_CLUSTER / "ca.crt"), source),
        insecure=_insecure(env, {}),
        server_name=env.get("HELM_KUBETLS_SERVER_NAME", ""),
        impersonation=_impersonation(env, {}),
    )
