"""A Prometheus of a few lines: scrapes kept with their times, and the selectors that the provider sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.webserver import Handler, listening

LOOKBACK = 300.0
_SELECTOR = re.compile(r"(?P<name>[a-z_]+)(\{(?P<labels>.*?)\})?(\[(?P<range>\d+)s\])?( offset (?P<offset>\d+)s)?")
_MATCHER = re.compile(r'([a-z_]+)(=~|=)("(?:[^"\\]|\\.)*")')
_STALE = None
Series = tuple[tuple[str, str], ...]


class Database:
    """Series by their labels; times in seconds of the server's clock, which `now` is."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.series: dict[Series, list[tuple[float, float | None]]] = {}

    def scrape(self, text: str, **target: str) -> None:
        """What the target publishes now; labels of its own are renamed as with honor_labels=false. A series that is
        gone gets a stale marker.
        """
        seen = set()
        bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))  # types would rename counters
        for family in text_string_to_metric_families(bare + "\n"):
            for sample in family.samples:
                own = {f"exported_{name}" if name in target else name: value for name, value in sample.labels.items()}
                key = tuple(sorted({"__name__": sample.name, **target, **own}.items()))
                seen.add(key)
                self.series.setdefault(key, []).append((self.now, sample.value))
        self._stale(set(target.items()), seen)

    def lose(self, **target: str) -> None:
        """A scrape that failed."""
        self._stale(set(target.items()), set())

    def _stale(self, target: set[tuple[str, str]], seen: set[Series]) -> None:
        for key, values in self.series.items():
            if target <= set(key) and key not in seen and values[-1][1] is not _STALE:
                values.append((self.now, _STALE))

    def answer(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        found: dict[Series, float] = {}
        for part in query.split(" or "):
            call = re.fullmatch(r"(timestamp|count_over_time)\((.*)\)", part)
            for key, value in self._select(call[2] if call else part, call[1] if call else ""):
                found.setdefault(key, value)
        return [{"metric": dict(key), "value": [self.now, f"{value!r}"]} for key, value in found.items()]

    def _select(self, selector: str, function: str) -> Iterator[tuple[Series, float]]:
        parts = _SELECTOR.fullmatch(selector)
        assert parts, f"the fake does not know the query {selector}"
        at = self.now - float(parts["offset"] or 0)
        matchers = [
            (name, operator, json.loads(text)) for name, operator, text in _MATCHER.findall(parts["labels"] or "")
        ]
        for key, values in self.series.items():
            labels = dict(key)
            if labels["__name__"] != parts["name"] or not all(_matches(labels, *each) for each in matchers):
                continue
            recent = [each for each in values if at - LOOKBACK < each[0] <= at]
            bare = tuple(pair for pair in key if pair[0] != "__name__" or not function)
            if function == "count_over_time" and (count := sum(value is not _STALE for _, value in recent)):
                yield bare, float(count)
            elif function != "count_over_time" and recent and recent[-1][1] is not _STALE:
                yield bare, recent[-1][0] if function == "timestamp" else float(recent[-1][1] or 0)


def _matches(labels: Mapping[str, str], name: str, operator: str, wanted: str) -> bool:
    value = labels.get(name, "")
    return value == wanted if operator == "=" else re.fullmatch(wanted, value) is not None


class Server:
    """Its HTTP API; remembers what it was asked. body, status: answered instead of the truth when set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.data = Database()
        self.status = 200
        self.body: bytes | None = None
        self.extra: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.forms: list[dict[str, str]] = []
        self.seen: list[dict[str, str]] = []

    def answer(self, form: Mapping[str, list[str]]) -> bytes:
        self.forms.append({name: values[0] for name, values in form.items()})
        if self.body is not None:
            return self.body
        data = {"resultType": "vector", "result": self.data.answer(form["query"][0])}
        return json.dumps({"status": "success", "data": data, **self.extra}).encode()


@contextmanager
def serving() -> Iterator[Server]:
    class Requested(Handler):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode(), keep_blank_values=True)
            state.seen.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
            body = state.answer(form)
            self.answer(state.status, state.headers, body)

    with listening(Requested) as port:
        state = Server(f"http://127.0.0.1:{port}")
        yield state


def form_of(path: str) -> Mapping[str, list[str]]:
    """The fields of a question that came as a GET."""
    return parse_qs(urlsplit(path).query)
