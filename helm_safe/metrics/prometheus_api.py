"""The query API of Prometheus, over HTTP or through the API server's proxy of a Service; Thanos, Mimir, VictoriaMetrics
and others speak it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.metrics.credentials import PASSWORD, TOKEN, USER, login
from helm_safe.metrics.http import MAX_BODY, Form, Http
from helm_safe.metrics.readings import Pair, readings
from helm_safe.metrics.skew import Fetch
from helm_safe.model.asking import PodRequest
from helm_safe.model.errors import ClusterError, Forbidden, Missing, UsageError
from helm_safe.model.traffic import NoData, Reading, Refused
from helm_safe.ports import Clock, Cluster
from helm_safe.web import shown

LIMITS = (
    ("partial_response", "false"),  # Thanos: an error instead of what some of its stores know
    ("dedup", "true"),  # Thanos: one of several replicas of a Prometheus
    ("latency_offset", "1ms"),  # VictoriaMetrics: it hides the newest 30 s by default
)
"""What the relatives of Prometheus are told with each query; who does not know one of them does not mind."""
LOOKBACK = ("lookback_delta", "150s")
"""How old a value may be that stands for a moment; five minutes by default, long after its target died."""
_SERVICE = re.compile(
    r"service/(?P<namespace>[a-z0-9][-a-z0-9]{0,62})/(?P<name>(https:)?[a-z0-9][-a-z0-9]{0,62})"
    r":(?P<port>[a-z0-9][-a-z0-9]{0,14})(?P<path>/[!-~]*)?"
)

Fields = Sequence[tuple[str, str]]


class Transport(Protocol):
    """A way to the API; `name` is what people know the system by."""

    name: str

    def json(self, path: str, fields: Fields) -> Any:
        """The decoded answer. Raises NoData, or Refused where a person must correct something."""
        ...

    def readings(self, begin: datetime, end: datetime, fetch: Fetch) -> list[Reading]:
        """The usable readings within the time, by this machine's clock."""
        ...


class Served(NamedTuple):
    """A Service that `metrics.url` names instead of an address."""

    namespace: str
    name: str
    port: str
    path: str


def served(url: str) -> Served | None:
    """The Service of service/NAMESPACE/NAME:PORT[/path], None for an address."""
    found = _SERVICE.fullmatch(url)
    path = (found["path"] or "").rstrip("/") if found else ""
    return Served(found["namespace"], found["name"], found["port"], path) if found else None


class Api:
    """What the API answers, checked: parts of the truth are no answer. Methods raise NoData and Refused."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.name = transport.name

    @classmethod
    def opened(cls, options: Mapping[str, Any], cluster: Cluster, clock: Clock, env: Mapping[str, str]) -> Api:
        """From the options `metrics.*`. Raises UsageError for an address or credentials that cannot be used."""
        tenant = str(options.get("tenant") or "")
        headers = {"X-Scope-OrgID": tenant} if tenant else {}
        service = served(options["url"])
        if service:
            return cls(ServiceProxy(cluster, service, headers, env))
        who = login(env)
        who = who._replace(headers={**who.headers, **headers})
        return cls(_Direct(Http("Prometheus", options["url"], clock, who, options=options, env=env)))

    def vector(self, query: str) -> list[tuple[Mapping[str, str], float, float]]:
        """(labels, seconds since 1970 by the server's clock, value) of an instant query."""
        data = self._data("/api/v1/query", (("query", query),))
        if data.get("resultType") != "vector":
            raise NoData(f"{self.name} answers a query with something else than a vector")
        rows = (mapping(row) for row in sequence(data, "result"))
        return [(_labels(row), *pair) for row in rows if (pair := _pair(sequence(row, "value")))]

    def matrix(self, query: str, begin: float, end: float, step: float) -> list[list[Pair]]:
        """The pairs of each series that a range query brings."""
        times = (("start", f"{begin:.3f}"), ("end", f"{end:.3f}"), ("step", f"{step:.3f}"))
        data = self._data("/api/v1/query_range", (("query", query), *times, LOOKBACK))
        if data.get("resultType") != "matrix":
            raise NoData(f"{self.name} answers a query with something else than a matrix")
        rows = (sequence(mapping(row), "values") for row in sequence(data, "result"))
        return [[(dig(pair, 0), dig(pair, 1)) for pair in row] for row in rows]

    def readings(self, begin: datetime, end: datetime, fetch: Fetch) -> list[Reading]:
        """The usable readings that `fetch` brings within the time. Raises NoData."""
        return self._transport.readings(begin, end, fetch)

    def _data(self, path: str, fields: Fields) -> Mapping[str, Any]:
        said = mapping(self._transport.json(path, (*fields, *LIMITS)))
        if said.get("status") != "success":
            raise NoData(f"{self.name} answers with something else than the Prometheus API")
        warnings = [str(each) for each in sequence(said, "warnings")]
        if said.get("isPartial") or warnings:
            told = shown(warnings[0]) if warnings else "isPartial"
            raise NoData(f"{self.name} knows only a part of the answer: {told}", "See that all its stores are up.")
        return mapping(said, "data")


class _Direct:
    def __init__(self, http: Http) -> None:
        self._http = http
        self.name = http.name

    def json(self, path: str, fields: Fields) -> Any:
        return self._http.json(path, body=Form(fields))

    def readings(self, begin: datetime, end: datetime, fetch: Fetch) -> list[Reading]:
        return self._http.readings(begin, end, fetch)


class ServiceProxy:
    """Through `services/NAME:PORT/proxy` of the API server, for a Prometheus that only the cluster reaches.

    The API server takes the Authorization header for itself, so no credentials can be sent: raises UsageError for them.
    """

    def __init__(self, cluster: Cluster, service: Served, headers: Mapping[str, str], env: Mapping[str, str]) -> None:
        if any(env.get(variable) for variable in (TOKEN, USER, PASSWORD)):
            raise UsageError(
                "credentials do not pass the API server's proxy of a Service",
                f"Unset {TOKEN}, {USER} and {PASSWORD}, or give --metrics an address that is reached directly.",
            )
        self._cluster = cluster
        self._service = service
        self._headers = {"Accept": "application/json", **headers}
        self.name = f"Prometheus behind Service/{service.name} in {service.namespace}"

    def json(self, path: str, fields: Fields) -> Any:
        namespace, name, port, base = self._service
        asked = f"{base}{path}?{urlencode(list(fields))}"
        request = PodRequest(asked, headers=self._headers, limit=MAX_BODY + 1)
        try:
            answer = self._cluster.proxied(namespace, name, port, request, kind="services")
        except Forbidden as refused:
            raise Refused(
                f"{self.name} may not be asked: {refused.message}", "Allow `get` on services/proxy there (see `rbac`)."
            ) from None
        except Missing as missing:
            raise Refused(f"{self.name} is not there: {missing.message}", "Correct metrics.url (--metrics).") from None
        except ClusterError as error:
            raise NoData(f"{self.name} cannot be asked: {error.message}", error.next_step) from None
        return self._decoded(answer.status, answer.body)

    def readings(self, begin: datetime, end: datetime, fetch: Fetch) -> list[Reading]:
        return readings(self.name, fetch(begin, end), begin, end)

    def _decoded(self, status: int, body: bytes) -> Any:
        if len(body) > MAX_BODY:
            raise NoData(f"{self.name} answers with more than {MAX_BODY >> 20} MiB", "Ask for less.")
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = {}
        if status == 200 and said:
            return said
        told = shown(mapping(said).get("error") or ("" if b"<" in body else body[:300].decode("utf-8", "replace")))
        if status in (401, 403):
            raise Refused(
                f"{self.name} refuses ({status}): it wants credentials, which do not pass the API server's proxy",
                "Give --metrics an address that is reached directly.",
            )
        if 400 <= status < 500 and status not in (404, 408, 429):
            raise Refused(f"{self.name} cannot answer ({status}): {told}", "Correct the query or the address.")
        what = "does not answer" if status in (0, 502, 503, 504) else "answers with something else than its API"
        raise NoData(f"{self.name} {what} ({status}){told and f': {told}'}")


def _labels(row: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in mapping(row, "metric").items()}


def _pair(pair: Any) -> tuple[float, float] | None:
    """(time, value); NaN and infinities, also those of a series that stopped, pass: the caller knows what they mean."""
    try:
        return float(pair[0]), float(pair[1])
    except (IndexError, TypeError, ValueError, KeyError):
        return None
