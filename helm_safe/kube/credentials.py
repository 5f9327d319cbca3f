"""Credentials of a kubeconfig user, read anew whenever they are asked for; never anonymous when that fails."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helm_safe.core.objects import mapping, sequence
from helm_safe.kube import plugin_policy
from helm_safe.kube.answers import shown
from helm_safe.kube.kubeconfig import Kubeconfig, pem, read_file
from helm_safe.model.errors import Unreachable

PLUGIN_TIMEOUT = 180.0
"""Seconds for a credential plugin: enough for a login in a browser, and an end for one that hangs."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The Authorization header and PEMs to present; all may be empty where the server asks for none."""

    authorization: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


CredentialSource = Callable[[], Credentials]


@dataclass(frozen=True, slots=True)
class ExecContext:
    """What a login may be told: the environment, the context's name and, where it asks for it, the cluster."""

    env: Mapping[str, str] = field(repr=False)
    context: str
    source: str
    cluster: Mapping[str, Any] = field(repr=False)
    authority: bytes = field(default=b"", repr=False)


def fixed_token(token: str, user: Mapping[str, Any], source: str) -> CredentialSource:
    """A token given by the caller; it overrules the user's other logins but not a client certificate."""
    return lambda: _with_certificate(_bearer(token), user, source)


def token_file(path: Path, source: str) -> CredentialSource:
    return lambda: Credentials(_bearer(_text_of(path, source)))


def credential_source(user: Mapping[str, Any], plugin: ExecContext, kubeconfig: Kubeconfig) -> CredentialSource:
    """The login that a kubeconfig user asks for. The source raises Unreachable naming what failed."""
    source = plugin.source
    if user.get("exec"):
        return lambda: _from_plugin(user, plugin)
    if user.get("auth-provider"):
        return lambda: _from_provider(user, plugin, kubeconfig)
    if user.get("tokenFile"):
        return lambda: _with_certificate(_bearer(_text_of(Path(str(user["tokenFile"])), source)), user, source)
    if user.get("token"):
        return fixed_token(str(user["token"]), user, source)
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password') or ''}"
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
        return lambda: _with_certificate(basic, user, source)
    return lambda: _with_certificate("", user, source)


def _with_certificate(authorization: str, user: Mapping[str, Any], source: str) -> Credentials:
    return Credentials(authorization, pem(user, "client-certificate", source), pem(user, "client-key", source))


def _bearer(token: str) -> str:
    return f"Bearer {token.strip()}"


def _text_of(path: Path, source: str) -> str:
    return read_file(str(path), source).decode("utf-8", "replace")


def _from_plugin(user: Mapping[str, Any], plugin: ExecContext) -> Credentials:
    """Run the credential plugin: an argument list, never a shell, with an end to waiting."""
    spec = mapping(user, "exec")
    command = str(spec.get("command") or "")
    program = shutil.which(command, path=plugin.env.get("PATH"))
    if not program:
        raise _plugin_failed(spec, plugin, "it is not installed or not executable")
    if why := plugin_policy.refused(program, plugin.env):
        raise _plugin_failed(spec, plugin, why)
    interactive = spec.get("interactiveMode") != "Never" and sys.stdin is not None and sys.stdin.isatty()
    if spec.get("interactiveMode") == "Always" and not interactive:
        raise _plugin_failed(spec, plugin, "it must ask on a terminal, and there is none")
    try:
        done = subprocess.run(
            [program, *(str(argument) for argument in sequence(spec, "args"))],
            env=_plugin_env(spec, plugin, interactive=interactive),
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            timeout=PLUGIN_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _plugin_failed(spec, plugin, f"it did not end within {PLUGIN_TIMEOUT:.0f} seconds") from None
    except (OSError, ValueError) as error:
        raise _plugin_failed(spec, plugin, f"it could not be started ({type(error).__name__})") from None
    if done.returncode:
        said = shown((done.stderr or b"")[-2000:].decode("utf-8", "replace"))[-500:]
        raise _plugin_failed(spec, plugin, f"it ended with code {done.returncode}{': ' + said if said else ''}")
    return _plugin_credentials(done.stdout, user, spec, plugin)


def _plugin_env(spec: Mapping[str, Any], plugin: ExecContext, *, interactive: bool) -> dict[str, str]:
    info: dict[str, Any] = {"interactive": interactive}
    if spec.get("provideClusterInfo"):
        info["cluster"] = _cluster_info(plugin)
    request = {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": info}
    added = {
        str(item["name"]): str(item.get("value") or "")
        for item in sequence(spec, "env")
        if isinstance(item, dict) and item.get("name")
    }
    return {**plugin.env, **added, "KUBERNETES_EXEC_INFO": json.dumps(request)}


def _cluster_info(plugin: ExecContext) -> dict[str, Any]:
    keys = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
    info = {key: plugin.cluster[key] for key in keys if plugin.cluster.get(key)}
    if plugin.authority:
        info["certificate-authority-data"] = base64.b64encode(plugin.authority).decode()
    for extension in sequence(plugin.cluster, "extensions"):
        if isinstance(extension, dict) and extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info


def _plugin_credentials(
    output: bytes, user: Mapping[str, Any], spec: Mapping[str, Any], plugin: ExecContext
) -> Credentials:
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        raise _plugin_failed(spec, plugin, "its answer is not JSON") from None
    if not isinstance(answer, dict) or answer.get("apiVersion") != spec.get("apiVersion"):
        raise _plugin_failed(spec, plugin, f"its answer is not of version {shown(str(spec.get('apiVersion')))}")
    status = mapping(answer, "status")
    token, certificate = str(status.get("token") or ""), str(status.get("clientCertificateData") or "")
    if not token and not certificate:
        raise _plugin_failed(spec, plugin, "its answer holds neither a token nor a certificate")
    if certificate:
        key = str(status.get("clientKeyData") or "")
        return Credentials(_bearer(token) if token else "", certificate.encode(), key.encode())
    return _with_certificate(_bearer(token), user, plugin.source)


def _plugin_failed(spec: Mapping[str, Any], plugin: ExecContext, why: str) -> Unreachable:
    hint = shown(str(spec.get("installHint") or ""))
    return Unreachable(
        f'The credential plugin "{shown(str(spec.get("command")))}" of {plugin.source} gave no credentials: {why}.',
        hint or "Run it by hand to see what is wrong, or log in again.",
        reason="CredentialPlugin",
    )


def _from_provider(user: Mapping[str, Any], plugin: ExecContext, kubeconfig: Kubeconfig) -> Credentials:
    """An old login by `auth-provider` (OIDC, GCP), which the official client renews and writes back.

    The client may put certificates into files while it works; they lie in a folder of ours that is removed at once.
    """
    name, source = shown(str(mapping(user, "auth-provider").get("name") or "")), plugin.source
    try:
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config
    except ImportError as error:
        raise Unreachable(f"The login {name} of {source} needs the kubernetes package: {shown(str(error))}.") from None
    settings = Configuration()
    try:
        with tempfile.TemporaryDirectory(prefix="helm-safe-") as folder:
            load_kube_config(
                config_file=os.pathsep.join(str(path) for path in kubeconfig.files),
                context=plugin.context or None,
                client_configuration=settings,
                temp_file_path=folder,
            )
    except (ConfigException, OSError, ValueError, KeyError) as error:
        raise _provider_failed(name, source, shown(str(error))) from None
    authorization = str(settings.api_key.get("BearerToken") or settings.api_key.get("authorization") or "")
    if not authorization:
        raise _provider_failed(name, source, "it gave no token")
    return _with_certificate(authorization, user, source)


def _provider_failed(name: str, source: str, why: str) -> Unreachable:
    return Unreachable(
        f'The login "{name}" of {source} gave no credentials: {why}.',
        "Log in again; newer clusters use a credential plugin (exec) in place of auth-provider.",
    )
