"""Where state is to be read: from a Secret, a variable, the release's own environment, or as it was written.

An address with its password lives in memory only, from here to the driver.
"""

from __future__ import annotations

import base64
import re
from binascii import Error as BadBase64
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import quote

from helm_safe.core.objects import Object, dig, mapping, name_of, selects, sequence
from helm_safe.core.workloads import all_containers, pod_template
from helm_safe.model.errors import ClusterError, UsageError
from helm_safe.model.health import is_ready
from helm_safe.model.resources import CONFIG_MAPS, PODS, SECRETS, SERVICES
from helm_safe.model.revisions import Release, Revision
from helm_safe.ports import Cluster

_WHOLE = ("uri", "url", "database_url", "jdbc-uri", "connection-string", "dsn")
"""Keys of a Secret that hold a whole address (CloudNativePG, service bindings, habit)."""
_VARIABLES: Mapping[str, str] = {
    "database": r"(?:\w+_)?(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MARIADB|SQL)_?(?:URL|URI|DSN)"
    r"|SPRING_DATASOURCE_URL|QUARKUS_DATASOURCE_JDBC_URL|GOOSE_DBSTRING|FLYWAY_URL|LIQUIBASE_COMMAND_URL",
    "redis": r"(?:\w+_)?(?:REDIS|VALKEY|CACHE|CELERY_BROKER|SIDEKIQ)_?(?:URL|URI)",
    "kafka": r"(?:\w+_)?KAFKA_(?:BOOTSTRAP_SERVERS|BROKERS|BROKER_LIST|URL)",
    "registry": r"(?:\w+_)?SCHEMA_REGISTRY_URL",
}
_USERS = ("_USERNAME", "_USER")


class NoAddress(ValueError):
    """It cannot be found out; the message says why."""


@dataclass(frozen=True)
class Addresses:
    """Finds the addresses that a release's settings mean. env: of this process."""

    cluster: Cluster
    release: Release
    revision: Revision
    env: Mapping[str, str]

    def of(self, kind: str, written: str) -> str:
        """The address itself. Raises NoAddress; its message never holds what it found."""
        if written.startswith("secret/"):
            name, _, key = written.removeprefix("secret/").partition("#")
            return _of_secret(self._values("Secret", name), name, key, kind)
        if written.startswith("env:"):
            variable = written.removeprefix("env:")
            if not self.env.get(variable):
                raise NoAddress(f"the variable {variable} is not set")
            return self.env[variable]
        return self._of_pods(kind) if written == "auto" else written

    def _of_pods(self, kind: str) -> str:
        """The first address among the variables of the release's own pods."""
        for obj in self.revision.objects.values():
            for container in all_containers(pod_template(obj)):
                values = {**self._imported(container), **self._own(container)}
                found = next((name for name in values if re.fullmatch(_VARIABLES[kind], name)), "")
                if found and values[found]:
                    return _with_user(values, found)
        raise NoAddress(f"no variable of the release's pods looks like an address of a {kind}")

    def _imported(self, container: Object) -> dict[str, str]:
        """The variables that a container takes from whole ConfigMaps and Secrets."""
        found: dict[str, str] = {}
        for source in sequence(container, "envFrom"):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                name, prefix = dig(source, field, "name"), str(dig(source, "prefix") or "")
                if name:
                    found |= {f"{prefix}{key}": value for key, value in self._values(kind, str(name)).items()}
        return found

    def _own(self, container: Object) -> dict[str, str]:
        """The variables that a container names, with their values."""
        found = {}
        for variable in sequence(container, "env"):
            value = dig(variable, "value")
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                where = dig(variable, "valueFrom", field, "name")
                if where:
                    value = self._values(kind, str(where)).get(str(dig(variable, "valueFrom", field, "key")))
            found[str(dig(variable, "name"))] = str(value or "")
        return found

    def _values(self, kind: str, name: str) -> dict[str, str]:
        """Raises NoAddress where the object is not there or may not be read."""
        try:
            obj = self.cluster.get(SECRETS if kind == "Secret" else CONFIG_MAPS, self.release.namespace, name)
        except ClusterError as error:
            raise NoAddress(f"{kind}/{name} cannot be read: {error.message}") from None
        if obj is None:
            raise NoAddress(f"{kind}/{name} does not exist in {self.release.namespace}")
        decode = _plain if kind == "Secret" else str
        return {str(key): decode(str(value)) for key, value in mapping(obj, "data").items()}


def _of_secret(values: Mapping[str, str], name: str, key: str, kind: str) -> str:
    if key:
        if key not in values:
            raise NoAddress(f"Secret/{name} has no key {key}; it has: {', '.join(sorted(values)) or 'none'}")
        return values[key]
    folded = {each.lower(): value for each, value in values.items()}
    whole = next((folded[each] for each in _WHOLE if each in folded), "")
    if whole:
        return whole
    host = folded.get("host") or folded.get("hostname") or ""
    if not host:
        raise NoAddress(f"Secret/{name} has neither one of the keys {', '.join(_WHOLE)} nor host")
    scheme = (
        folded.get("type") or folded.get("provider") or {"redis": "redis", "kafka": "kafka"}.get(kind, "postgresql")
    )
    user = quote(folded.get("username") or folded.get("user") or "", safe="")
    password = quote(folded.get("password") or "", safe="")
    port = f":{folded['port']}" if folded.get("port") else ""
    base = folded.get("dbname") or folded.get("database") or ""
    return f"{scheme}://{user}:{password}@{host}{port}/{base}"


def _with_user(values: Mapping[str, str], name: str) -> str:
    """The address with the user and password of the variables beside it, as Spring and JDBC keep them apart."""
    address = values[name].removeprefix("jdbc:")
    start = re.sub(r"(?:_JDBC)?_?(?:URL|URI)$", "", name)
    user = next((values[start + each] for each in _USERS if values.get(start + each)), "")
    if not user or "@" in address.partition("://")[2].partition("/")[0]:
        return address
    password = quote(values.get(f"{start}_PASSWORD", ""), safe="")
    return re.sub(r"://", lambda _: f"://{quote(user, safe='')}:{password}@", address, count=1)


def _plain(value: str) -> str:
    try:
        return base64.b64decode(value).decode().strip()
    except (BadBase64, ValueError):
        return ""


class Dialer:
    """Finds where a host and port are reached: a Service of the cluster by a tunnel to one of its ready pods."""

    def __init__(self, cluster: Cluster, release: Release, open_until: ExitStack) -> None:
        self._cluster = cluster
        self._namespace = release.namespace
        self._open = open_until
        self._known: dict[tuple[str, int], tuple[str, int]] = {}

    def __call__(self, host: str, port: int) -> tuple[str, int]:
        if (host, port) not in self._known:
            self._known[host, port] = self._reached(host, port)
        return self._known[host, port]

    def _reached(self, host: str, port: int) -> tuple[str, int]:
        parts = host.split(".")
        inside = len(parts) == 1 or (len(parts) > 2 and parts[2] == "svc") or host.endswith(".svc")
        if not (inside or len(parts) == 2) or host == "localhost" or host.replace(".", "").isdigit():
            return host, port
        namespace = parts[1] if len(parts) > 1 else self._namespace
        try:
            service = self._cluster.get(SERVICES, namespace, parts[0])
            pod = self._pod(service, namespace) if service else None
        except ClusterError:
            return host, port
        if service is None or pod is None:
            return host, port
        target = _target(service, pod, port)
        return self._open.enter_context(self._cluster.tunnel(namespace, name_of(pod), target))

    def _pod(self, service: Object, namespace: str) -> Object | None:
        selector = mapping(service, "spec", "selector")
        if not selector:
            return None
        pods = self._cluster.list(PODS, namespace).items
        ready = [pod for pod in pods if selects(selector, mapping(pod, "metadata", "labels")) and is_ready(pod)]
        return ready[0] if ready else None


def _target(service: Object, pod: Object, port: int) -> int:
    """The pod's own port behind one of the Service."""
    row: Object = next((each for each in sequence(service, "spec", "ports") if dig(each, "port") == port), {})
    target = dig(row, "targetPort") or port
    if isinstance(target, int):
        return target
    named = (
        dig(each, "containerPort")
        for container in sequence(pod, "spec", "containers")
        for each in sequence(container, "ports")
        if dig(each, "name") == target
    )
    found = next(named, port)
    return int(found) if isinstance(found, int) else port


def check_written(kind: str, written: str) -> None:
    """Raise UsageError for an address whose kind is not the one asked for."""
    schemes = {"redis": ("redis", "rediss"), "kafka": ("kafka",), "registry": ("http", "https")}.get(kind, ())
    scheme = written.partition("://")[0]
    if "://" in written and schemes and scheme not in schemes:
        raise UsageError(
            f"--{kind} {scheme}://… is no address of that kind", f"Known: {', '.join(schemes)}://HOST:PORT."
        )
