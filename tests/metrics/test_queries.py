"""Every system that answers queries over HTTP, against a server that plays its documented answers and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from helm_safe.metrics import QUERIES
from helm_safe.metrics import http as module
from helm_safe.metrics.http import TRIES
from helm_safe.model.errors import UsageError
from helm_safe.model.policy import DEFAULTS
from helm_safe.model.traffic import NoData, NoSeries, Reading, Refused
from helm_safe.ports import QueryProvider
from helm_safe.registry import load
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import FakeClock
from tests.metrics.vendor import BEGIN, END, Answer, Vendor, ago, said, serving

SECRET = "s3cr3t-of-ours"
OPTIONS = {
    key.removeprefix("metrics."): each.value for key, each in DEFAULTS.settings.items() if key.startswith("metrics.")
}


class System(NamedTuple):
    """One provider. good: an answer with 1.0 20 s and 2.0 10 s ago, a value that is none 15 s ago where the system can
    say so, and an interval that has not ended. empty: of a metric that it does not know. bad: its refusal of a query.
    """

    provider: str
    env: Mapping[str, str]
    variable: str
    query: str
    good: Any
    empty: Any
    bad: Answer
    options: Mapping[str, Any] = {}

    def opened(self, url: str, **options: Any) -> QueryProvider:
        told = {**OPTIONS, **self.options, "url": url, **options}
        found: QueryProvider = load(self.provider, QUERIES, noun="provider").opened(
            told, FakeCluster(), FakeClock(), self.env
        )
        return found


def ms(seconds: float) -> int:
    return round(ago(seconds) * 1000)


def matrix(*values: list[Any]) -> dict[str, Any]:
    result = [{"metric": {}, "values": each} for each in values]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def nerdgraph(results: Any, **more: Any) -> dict[str, Any]:
    return {"data": {"actor": {"account": {"nrql": results and {"results": results["rows"]}}}}, **more}


def buckets(*rows: dict[str, Any]) -> dict[str, Any]:
    return nerdgraph({"rows": list(rows)})


def bucket(begin: float, **value: Any) -> dict[str, Any]:
    return {"beginTimeSeconds": ago(begin), "endTimeSeconds": ago(begin) + 10, **value}


def datadog(*points: list[Any], **more: Any) -> dict[str, Any]:
    series = {"metric": "hits", "interval": 10, "scope": "service:api", "pointlist": list(points)}
    return {"status": "ok", "res_type": "time_series", "series": [series] if points else [], **more}


def dynatrace(*data: dict[str, Any]) -> dict[str, Any]:
    return {"totalCount": 1, "nextPageKey": None, "resolution": "1m", "result": [{"metricId": "m", "data": list(data)}]}


def influxql(*series: dict[str, Any]) -> dict[str, Any]:
    return {"results": [{"statement_id": 0, **({"series": list(series)} if series else {})}]}


def utc(seconds: float, zone: str = "Z") -> str:
    return (END - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S") + zone


FLUX = (
    ",result,table,_start,_stop,_time,_value\r\n"
    f",_result,0,{utc(60)},{utc(0)},{utc(20)},1\r\n"
    f",_result,0,{utc(60)},{utc(0)},{utc(15)},\r\n"
    f",_result,0,{utc(60)},{utc(0)},{utc(10)},2\r\n"
    f",_result,0,{utc(60)},{utc(0)},{utc(-10)},9\r\n\r\n"
)

SYSTEMS = {
    "prometheus": System(
        "prometheus",
        {"HELM_SAFE_METRICS_TOKEN": SECRET},
        "HELM_SAFE_METRICS_TOKEN",
        'sum(requests_total{service="api"})',
        matrix([[ago(20), "1"], [ago(15), "NaN"], [ago(10), "2"], [ago(-5), "9"]]),
        matrix(),
        said({"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}, 400),
    ),
    "datadog": System(
        "datadog",
        {"DD_API_KEY": SECRET, "DD_APP_KEY": SECRET + "2"},
        "DD_API_KEY and DD_APP_KEY",
        "sum:hits{service:api}.as_count().rollup(sum, 10)",
        datadog([ms(30), 1.0], [ms(25), None], [ms(20), 2.0], [ms(5), 9.0]),
        datadog(),
        said({"errors": ["Error parsing query: unexpected end"]}, 400),
    ),
    "newrelic": System(
        "newrelic",
        {"NEW_RELIC_API_KEY": SECRET},
        "NEW_RELIC_API_KEY",
        "SELECT count(*) FROM Transaction WHERE appName = 'api'",
        buckets(bucket(30, count=1), bucket(25, count=None), bucket(20, count=2), bucket(5, count=9)),
        buckets(),
        said(
            nerdgraph(
                None, errors=[{"message": "NRQL Syntax Error: unexpected end", "extensions": {"errorClass": "X"}}]
            )
        ),
        {"newrelic.account": 12345},
    ),
    "graphite": System(
        "graphite",
        {"HELM_SAFE_METRICS_USER": "me", "HELM_SAFE_METRICS_PASSWORD": SECRET},
        "HELM_SAFE_METRICS_USER and HELM_SAFE_METRICS_PASSWORD",
        "sumSeries(stats_counts.api.requests)",
        [{"target": "x", "datapoints": [[1, ago(25)], [2, ago(15)], [None, ago(20)], [9, ago(0)]], "tags": {}}],
        [],
        Answer(b"Invalid target: unexpected end", 400, {"Content-Type": "text/plain"}),
    ),
    "dynatrace": System(
        "dynatrace",
        {"DT_API_TOKEN": SECRET},
        "DT_API_TOKEN",
        "builtin:service.requestCount.total:splitBy():sum",
        dynatrace({"dimensions": [], "timestamps": [ms(20), ms(15), ms(10), ms(-40)], "values": [1.0, None, 2.0, 9.0]}),
        dynatrace(),
        said(
            {
                "error": {
                    "code": 400,
                    "message": "Constraints violated.",
                    "constraintViolations": [
                        {"path": "metricSelector", "message": "could not be parsed: unexpected end"}
                    ],
                }
            },
            400,
        ),
    ),
    "flux": System(
        "influxdb",
        {"INFLUX_TOKEN": SECRET},
        "INFLUX_TOKEN",
        'from(bucket: "http") |> range(start: ${begin}, stop: ${end})',
        FLUX,
        "\r\n",
        said({"code": "invalid", "message": "compilation failed: unexpected end"}, 400),
        {"influxdb.language": "flux", "influxdb.org": "shop"},
    ),
    "influxql": System(
        "influxdb",
        {"INFLUX_TOKEN": SECRET},
        "INFLUX_TOKEN",
        "SELECT sum(n) FROM http WHERE time >= ${begin} AND time < ${end} GROUP BY time(5s)",
        influxql(
            {
                "name": "http",
                "columns": ["time", "sum"],
                "values": [[ms(25), 1], [ms(20), None], [ms(15), 2], [ms(0), 9]],
            }
        ),
        influxql(),
        said({"error": "error parsing query: unexpected end"}, 400),
        {"influxdb.language": "influxql", "influxdb.database": "http"},
    ),
    "sql": System(
        "influxdb",
        {"INFLUX_TOKEN": SECRET},
        "INFLUX_TOKEN",
        "SELECT date_bin(interval '5 s', time) AS time, count(*) AS n FROM http WHERE time >= ${begin} AND time < ${end}",
        [
            {"time": utc(25, ""), "n": 1},
            {"time": utc(20, ""), "n": None},
            {"time": utc(15, ".000000000"), "n": 2},
            {"time": utc(0, ""), "n": 9},
        ],
        [],
        said({"error": "SQL error: unexpected end"}, 400),
        {"influxdb.language": "sql", "influxdb.database": "http"},
    ),
    "json": System(
        "json",
        {"HELM_SAFE_METRICS_TOKEN": SECRET},
        "HELM_SAFE_METRICS_TOKEN",
        "/stats?service=api&from=${begin}&to=${end} /data/0/requests~1total",
        {"data": [{"requests/total": 2}]},
        {"data": []},
        said({"message": "unexpected end"}, 400),
    ),
}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving() as found:
        yield found


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return SYSTEMS[request.param]


def answer(value: Any) -> Answer:
    return Answer(value.encode()) if isinstance(value, str) else said(value)


def ask(system: System, vendor: Vendor, *answers: Answer) -> Any:
    vendor.plays(*answers)
    return system.opened(vendor.url).series(system.query, BEGIN, END)


def test_readings(system: System, vendor: Vendor) -> None:
    """Finite values within the time, oldest first, named by the end of their interval; what still grows is left out."""
    found = ask(system, vendor, answer(system.good))
    expected = [Reading(ago(20), 1.0), Reading(ago(10), 2.0)]
    assert found == (expected if system.provider != "json" else [Reading(ago(0), 2.0)])


def test_a_metric_that_is_not_known(system: System, vendor: Vendor) -> None:
    """No series is no data, and never zero."""
    with pytest.raises(NoSeries):
        ask(system, vendor, answer(system.empty))


def test_a_query_that_cannot_be_read(system: System, vendor: Vendor) -> None:
    with pytest.raises(UsageError, match=r"cannot answer.*unexpected end") as raised:
        ask(system, vendor, system.bad)
    assert isinstance(raised.value, NoData)
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials(system: System, vendor: Vendor, status: int) -> None:
    with pytest.raises(Refused, match="refuses the credentials") as raised:
        ask(system, vendor, said({"errors": [f"no {SECRET}"], "error": {"message": f"no {SECRET}"}}, status))
    assert system.variable in raised.value.message
    assert SECRET not in f"{raised.value.message} {raised.value.next_step}"


def test_an_address_that_is_another_system(system: System, vendor: Vendor) -> None:
    for status in (404, 301):
        with pytest.raises(Refused, match=str(status)):
            ask(system, vendor, Answer(b"<html>nginx</html>", status, {"Location": "http://127.0.0.1:1"}))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_system_in_trouble(system: System, vendor: Vendor, status: int) -> None:
    with pytest.raises(NoData, match=rf"\({status}\)") as raised:
        ask(system, vendor, Answer(b"oops", status))
    assert not isinstance(raised.value, UsageError)


def test_a_limit(system: System, vendor: Vendor) -> None:
    """Its header is honoured; a system that never lets us in is no data."""
    headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3"}
    limited = Answer(b"{}", 429, headers if system.provider == "datadog" else {"Retry-After": "3"})
    assert ask(system, vendor, limited, answer(system.good))
    vendor.asked.clear()
    with pytest.raises(NoData, match="limits requests"):
        ask(system, vendor, Answer(b"{}", 429))
    assert len(vendor.asked) == TRIES


MALFORMED = [b"<html>", b"", b"null", b"7", b'"text"', b"[[[[", b'{"status":"success"}', b"[null]", b'{"results": 7}']


@pytest.mark.parametrize("body", MALFORMED, ids=repr)
def test_what_the_system_does_not_document(system: System, vendor: Vendor, body: bytes) -> None:
    with pytest.raises(NoData):
        ask(system, vendor, Answer(body))


def shapes(value: Any) -> Iterator[Any]:
    """The answer with each of its parts replaced by something else."""
    yield from (None, "x", -1, [], {})
    if isinstance(value, dict):
        for key, inner in value.items():
            for other in shapes(inner):
                yield {**value, key: other}
    if isinstance(value, list):
        for place, inner in enumerate(value):
            for other in shapes(inner):
                yield [*value[:place], other, *value[place + 1 :]]


@pytest.mark.parametrize("name", [name for name, each in SYSTEMS.items() if not isinstance(each.good, str)])
def test_no_shape_of_an_answer_is_a_crash(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes instead of any part: readings of finite numbers, or no data."""
    opened = SYSTEMS[name].opened("http://127.0.0.1:1")
    for shape in shapes(SYSTEMS[name].good):
        monkeypatch.setattr(module.Http, "json", lambda *_args, shape=shape, **_more: shape)
        try:
            found = opened.series(SYSTEMS[name].query, BEGIN, END)
        except NoData:
            continue
        assert all(math.isfinite(each.value) and BEGIN.timestamp() < each.at <= END.timestamp() for each in found)


def test_a_body_without_end(system: System, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY", 1 << 16)
    with pytest.raises(NoData, match="answers with more than"):
        ask(system, vendor, Answer(b" " * (1 << 18)))


def test_a_cut_body_and_a_silent_system(system: System, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoData, match="does not answer"):
        ask(system, vendor, Answer(b"{", promised=50))
    monkeypatch.setattr(module, "_SILENCE", 0.05)
    with pytest.raises(NoData, match="does not answer"):
        ask(system, vendor, Answer(b"{}", pause=0.2))


def test_lacking_credentials(system: System) -> None:
    """Systems that never answer without say so before they are asked."""
    if system.provider in ("datadog", "newrelic", "dynatrace"):
        with pytest.raises(UsageError, match="is not set"):
            system._replace(env={}).opened("https://x.example")


# --- what each is asked, and what is its own ---


def test_prometheus_is_asked_for_a_range_that_ends_now(vendor: Vendor) -> None:
    ask(SYSTEMS["prometheus"], vendor, answer(SYSTEMS["prometheus"].good))
    asked = vendor.asked[0]
    assert (asked.method, asked.path, asked.headers["authorization"]) == (
        "POST",
        "/api/v1/query_range",
        f"Bearer {SECRET}",
    )
    wanted = {"query": SYSTEMS["prometheus"].query, "start": f"{ago(60):.3f}", "end": f"{ago(0):.3f}", "step": "5.000"}
    assert wanted.items() <= asked.form.items()


def test_datadog_is_asked_with_both_keys(vendor: Vendor) -> None:
    ask(SYSTEMS["datadog"], vendor, answer(SYSTEMS["datadog"].good))
    asked = vendor.asked[0]
    assert (asked.headers["dd-api-key"], asked.headers["dd-application-key"]) == (SECRET, SECRET + "2")
    assert asked.path == "/api/v1/query"
    assert asked.query == {"from": f"{ago(60):.0f}", "to": f"{ago(0):.0f}", "query": SYSTEMS["datadog"].query}


def test_datadog_tells_errors_with_200(vendor: Vendor) -> None:
    with pytest.raises(Refused, match="no such function"):
        ask(SYSTEMS["datadog"], vendor, said({"status": "error", "error": "no such function", "series": []}))


def test_new_relic_is_asked_with_variables(vendor: Vendor) -> None:
    """The query is no part of the GraphQL text: quotes in it change nothing."""
    ask(SYSTEMS["newrelic"], vendor, answer(SYSTEMS["newrelic"].good))
    body = json.loads(vendor.asked[0].body)
    assert (vendor.asked[0].path, vendor.asked[0].headers["api-key"]) == ("/graphql", SECRET)
    time = f"SINCE {ms(60)} UNTIL {ms(0)} TIMESERIES 10 seconds"
    assert body["variables"] == {"account": 12345, "nrql": f"{SYSTEMS['newrelic'].query} {time}"}
    assert "appName" not in body["query"]


def test_new_relic_never_wants_too_many_buckets(vendor: Vendor) -> None:
    vendor.plays(answer(SYSTEMS["newrelic"].good))
    opened = SYSTEMS["newrelic"].opened(vendor.url)
    opened.series(SYSTEMS["newrelic"].query, END - timedelta(hours=6), END)
    assert "TIMESERIES 72 seconds" in json.loads(vendor.asked[0].body)["variables"]["nrql"]


@pytest.mark.parametrize("kind", ["TIMEOUT", "SERVER_ERROR", "TOO_MANY_REQUESTS"])
def test_new_relic_tells_what_passes_with_200(vendor: Vendor, kind: str) -> None:
    errors = [{"message": "later", "extensions": {"errorClass": kind}}]
    with pytest.raises(NoData, match="cannot answer now: later") as raised:
        ask(SYSTEMS["newrelic"], vendor, said(nerdgraph(None, errors=errors)))
    assert not isinstance(raised.value, UsageError)


def test_new_relic_selects_one_number(vendor: Vendor) -> None:
    percentile = buckets(bucket(30, **{"percentile.duration": {"95": 0.25}}))
    assert ask(SYSTEMS["newrelic"], vendor, said(percentile)) == [Reading(ago(20), 0.25)]
    with pytest.raises(Refused, match="several numbers"):
        ask(SYSTEMS["newrelic"], vendor, said(buckets(bucket(30, count=1, average=2))))
    with pytest.raises(Refused, match="since"):
        SYSTEMS["newrelic"]._replace(query="SELECT count(*) FROM T since 1 hour ago").opened(vendor.url).series(
            "SELECT count(*) FROM T since 1 hour ago", BEGIN, END
        )


def test_graphite_is_asked_for_enough_to_see_the_interval(vendor: Vendor) -> None:
    ask(SYSTEMS["graphite"], vendor, answer(SYSTEMS["graphite"].good))
    asked = vendor.asked[0]
    assert asked.headers["authorization"].startswith("Basic ")
    wanted = {
        "target": SYSTEMS["graphite"].query,
        "from": f"{ago(660):.0f}",
        "until": f"{ago(0):.0f}",
        "format": "json",
    }
    assert (asked.path, asked.form) == ("/render", wanted)


def test_dynatrace_is_asked_by_minutes(vendor: Vendor) -> None:
    ask(SYSTEMS["dynatrace"], vendor, answer(SYSTEMS["dynatrace"].good))
    asked = vendor.asked[0]
    assert (asked.path, asked.headers["authorization"]) == ("/api/v2/metrics/query", f"Api-Token {SECRET}")
    time = {"from": str(ms(60)), "to": str(ms(0)), "resolution": "1m"}
    assert asked.query == {"metricSelector": SYSTEMS["dynatrace"].query, **time}


def test_influxdb_is_asked_in_its_languages(vendor: Vendor) -> None:
    for language in ("flux", "influxql", "sql"):
        ask(SYSTEMS[language], vendor, answer(SYSTEMS[language].good))
    flux, influxql_, sql = vendor.asked
    begin, end = utc(60, ".000Z"), utc(0, ".000Z")
    assert (flux.path, flux.query, flux.headers["authorization"]) == (
        "/api/v2/query",
        {"org": "shop"},
        f"Token {SECRET}",
    )
    assert json.loads(flux.body)["query"] == f'from(bucket: "http") |> range(start: {begin}, stop: {end})'
    assert f"WHERE time >= '{begin}' AND time < '{end}'" in influxql_.query["q"]
    assert (influxql_.path, influxql_.query["db"], influxql_.query["epoch"]) == ("/query", "http", "ms")
    assert sql.path == "/api/v3/query_sql"
    assert json.loads(sql.body)["q"].endswith(f"time >= '{begin}' AND time < '{end}'")


@pytest.mark.parametrize("language", ["flux", "influxql", "sql"])
def test_a_sum_over_the_whole_time_is_one_reading(vendor: Vendor, language: str) -> None:
    whole = {
        "flux": f",result,table,_start,_stop,_value\r\n,_result,0,{utc(60)},{utc(0)},7\r\n\r\n",
        "influxql": influxql({"name": "http", "columns": ["time", "sum"], "values": [[ms(60), 7]]}),
        "sql": [{"n": 7}],
    }
    assert ask(SYSTEMS[language], vendor, answer(whole[language])) == [Reading(ago(0), 7.0)]
    grouped = ",result,table,_value\r\n,_result,0,7\r\n\r\n"
    if language == "flux":  # `group()` takes the columns of the time away
        assert ask(SYSTEMS[language], vendor, answer(grouped)) == [Reading(ago(0), 7.0)]


def test_a_lone_interval_of_unknown_length_is_left_out(vendor: Vendor) -> None:
    """It may be the part of an interval that began before."""
    lone = influxql({"name": "http", "columns": ["time", "sum"], "values": [[ms(63), 7]]})
    with pytest.raises(NoSeries):
        ask(SYSTEMS["influxql"], vendor, said(lone))


def test_influxdb_without_a_time_in_the_query(vendor: Vendor) -> None:
    with pytest.raises(Refused, match=r"\$begin"):
        SYSTEMS["sql"].opened(vendor.url).series("SELECT count(*) FROM http", BEGIN, END)


def test_influxdb_tells_errors_in_the_middle(vendor: Vendor) -> None:
    with pytest.raises(Refused, match="database not found"):
        ask(SYSTEMS["influxql"], vendor, said({"results": [{"statement_id": 0, "error": "database not found: http"}]}))
    cut = FLUX + "error,reference\r\nmemory allocation limit reached,576\r\n\r\n"
    with pytest.raises(Refused, match="memory allocation"):
        ask(SYSTEMS["flux"], vendor, Answer(cut.encode()))


def test_an_old_influxdb_with_user_and_password(vendor: Vendor) -> None:
    env = {"HELM_SAFE_METRICS_USER": "me", "HELM_SAFE_METRICS_PASSWORD": SECRET}
    ask(SYSTEMS["influxql"]._replace(env=env), vendor, answer(SYSTEMS["influxql"].good))
    assert vendor.asked[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("prometheus", matrix([[ago(1), "1"]], [[ago(1), "2"]])),
        ("datadog", {**datadog([ms(1), 1]), "series": datadog([ms(1), 1])["series"] * 2}),
        ("graphite", SYSTEMS["graphite"].good * 2),
        ("dynatrace", dynatrace(*[{"timestamps": [ms(1)], "values": [1]}] * 2)),
        ("flux", FLUX + FLUX.replace("_result,0", "_result,1")),
        ("influxql", influxql(*[{"columns": ["time", "sum"], "values": [[ms(1), 1]]}] * 2)),
    ],
)
def test_several_series_are_refused(vendor: Vendor, name: str, several: Any) -> None:
    """Which one counts is not ours to choose; the message says how to make it one."""
    with pytest.raises(Refused, match="2 series, one is wanted: write"):
        ask(SYSTEMS[name], vendor, answer(several))


@pytest.mark.parametrize(
    ("where", "found"),
    [("/data/0/n", 5), ("data.0.n", 5), ("/data/0/text", 1.5), ("/data/0/a~1b", 7), ("/total", 9)],
)
def test_where_a_number_stands(vendor: Vendor, where: str, found: float) -> None:
    vendor.plays(said({"data": [{"n": 5, "text": "1.5", "a/b": 7}], "total": 9}))
    opened = SYSTEMS["json"].opened(vendor.url + "/api")
    assert opened.series(f"/stats?q=1 {where}", BEGIN, END) == [Reading(ago(0), found)]
    assert (vendor.asked[0].path, vendor.asked[0].query) == ("/api/stats", {"q": "1"})


@pytest.mark.parametrize("where", ["/data/7/n", "data.n", "/data", "/", "/data/0/yes", "/data/0/nan"])
def test_where_no_number_stands(vendor: Vendor, where: str) -> None:
    vendor.plays(Answer(b'{"data": [{"n": 5, "yes": true, "nan": NaN}]}'))
    with pytest.raises(NoSeries, match="the JSON API at"):
        SYSTEMS["json"].opened(vendor.url).series(f"/stats {where}", BEGIN, END)


@pytest.mark.parametrize("query", ["", "/stats", "http://evil.example/ /n", "@evil.example/ /n", ".evil.example/ /n"])
def test_a_json_query_stays_at_its_address(vendor: Vendor, query: str) -> None:
    with pytest.raises(Refused, match="not a path"):
        SYSTEMS["json"].opened(vendor.url).series(query, BEGIN, END)
    assert vendor.asked == []


def test_a_json_api_tells_the_past_only_where_the_query_names_it(vendor: Vendor) -> None:
    """Else what is of now would pass for what was."""
    vendor.plays(answer(SYSTEMS["json"].good))
    opened, before = SYSTEMS["json"].opened(vendor.url), END - timedelta(seconds=60)
    assert opened.series(SYSTEMS["json"].query, before - timedelta(seconds=60), before) == [Reading(ago(60), 2.0)]
    with pytest.raises(NoSeries, match=r"no past that \$end could ask for"):
        opened.series("/stats /data/0/requests~1total", before - timedelta(seconds=60), before)


def test_the_time_of_a_json_query(vendor: Vendor) -> None:
    ask(SYSTEMS["json"], vendor, answer(SYSTEMS["json"].good))
    assert vendor.asked[0].query == {"service": "api", "from": f"{ago(60):.0f}", "to": f"{ago(0):.0f}"}
