"""CloudWatch through boto3, against a server that plays its answers in the JSON protocol."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helm_safe.metrics.cloudwatch import CloudWatchQueries
from helm_safe.model.errors import UsageError
from helm_safe.model.traffic import NoData, NoSeries, Reading, Refused
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import FakeClock
from tests.metrics.test_queries import OPTIONS, shapes
from tests.metrics.vendor import BEGIN, END, Answer, Vendor, ago, said, serving

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI-of-ours"
QUERY = "SELECT SUM(RequestCount) FROM SCHEMA(\"AWS/ApplicationELB\", TargetGroup) WHERE TargetGroup = 'api'"
MATH = [
    {"Id": "m1", "MetricStat": {"Metric": {"MetricName": "5xx"}, "Period": 10, "Stat": "Sum"}, "ReturnData": False},
    {"Id": "e1", "Expression": "FILL(m1, 0)"},
]


@pytest.fixture(scope="module")
def _server() -> Iterator[Vendor]:
    """One for all: opening a client of boto3 takes a fifth of a second."""
    with serving() as found, pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        yield found


@pytest.fixture(scope="module")
def queries(_server: Vendor) -> CloudWatchQueries:
    return opened(_server)


@pytest.fixture
def vendor(_server: Vendor, queries: CloudWatchQueries) -> Vendor:
    _server.asked.clear()
    return _server


def opened(vendor: Vendor, **options: str) -> CloudWatchQueries:
    told = {**OPTIONS, "url": vendor.url, "cloudwatch.region": "eu-west-1", **options}
    return CloudWatchQueries.opened(told, FakeCluster(), FakeClock(), {})


def results(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"MetricDataResults": list(rows), "Messages": [], **more}


def row(*points: tuple[float, float], **more: Any) -> dict[str, Any]:
    times, values = [ago(seconds) for seconds, _ in points], [value for _, value in points]
    return {"Id": "e1", "Label": "x", "Timestamps": times, "Values": values, "StatusCode": "Complete", **more}


def refusal(code: str, words: str, status: int = 400) -> Answer:
    return Answer(json.dumps({"__type": f"com.amazonaws.cloudwatch#{code}", "message": words}).encode(), status)


@pytest.fixture
def ask(vendor: Vendor, queries: CloudWatchQueries) -> Callable[..., Any]:
    def asked(*answers: Answer, query: str = json.dumps(MATH)) -> Any:
        vendor.plays(*answers)
        return queries.series(query, BEGIN, END)

    return asked


def test_readings(ask: Callable[..., Any], vendor: Vendor) -> None:
    """Newest first as the API answers, over pages; the interval that has not ended is left out."""
    first = said(results(row((5, 9), (20, 2), StatusCode="PartialData"), NextToken="more"))
    found = ask(first, said(results(row((30, 1)))))
    assert found == [Reading(ago(20), 1.0), Reading(ago(10), 2.0)]
    bodies = [json.loads(asked.body) for asked in vendor.asked]
    assert bodies[0]["MetricDataQueries"] == MATH
    assert (bodies[0]["StartTime"], bodies[0]["EndTime"]) == (int(ago(60)), int(ago(0)))
    assert bodies[1]["NextToken"] == "more"
    assert "/eu-west-1/monitoring/" in vendor.asked[0].headers["authorization"]


def test_an_expression_by_itself(ask: Callable[..., Any], vendor: Vendor) -> None:
    assert ask(said(results(row((70, 3)))), query=QUERY) == [Reading(ago(10), 3.0)]
    assert json.loads(vendor.asked[0].body)["MetricDataQueries"] == [{"Id": "query", "Expression": QUERY, "Period": 60}]


def test_a_metric_that_is_not_known(ask: Callable[..., Any]) -> None:
    for body in (results(), results(row())):
        with pytest.raises(NoSeries):
            ask(said(body))


def test_several_series_are_refused(ask: Callable[..., Any]) -> None:
    with pytest.raises(Refused, match="2 series, one is wanted"):
        ask(said(results(row((20, 1)), row((20, 1), Id="m1"))))


@pytest.mark.parametrize(
    "code",
    ["AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch"],
)
def test_refused_credentials(ask: Callable[..., Any], code: str) -> None:
    with pytest.raises(UsageError, match=r"refuses the credentials.*AWS_PROFILE") as raised:
        ask(refusal(code, f"User {KEY} is not authorized to perform: cloudwatch:GetMetricData", 403))
    assert isinstance(raised.value, NoData)
    assert KEY not in raised.value.message
    assert SECRET not in raised.value.message


def test_credentials_of_one_account_of_several(ask: Callable[..., Any]) -> None:
    with pytest.raises(Refused, match="refuses the credentials"):
        ask(said(results(row(StatusCode="Forbidden", Messages=[{"Code": "Forbidden", "Value": "no"}]))))


@pytest.mark.parametrize("code", ["ValidationError", "InvalidParameterValue", "MissingParameter"])
def test_a_query_that_cannot_be_read(ask: Callable[..., Any], vendor: Vendor, code: str) -> None:
    with pytest.raises(Refused, match="Error in expression"):
        ask(refusal(code, "Error in expression 'e1': unexpected end"))
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("query", ['[{"Id": ', '[{"Identity": 7}]', "{}", "[7]"])
def test_a_query_that_is_none(ask: Callable[..., Any], vendor: Vendor, query: str) -> None:
    with pytest.raises(Refused):
        ask(said(results()), query=query)
    assert vendor.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        refusal("ThrottlingException", "Rate exceeded"),
        refusal("InternalServiceFault", "oops", 500),
        Answer(b"", 503),
        said(results(row(StatusCode="InternalError"))),
    ],
)
def test_what_passes(ask: Callable[..., Any], vendor: Vendor, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 tries again by itself; what stays is no data, not an error of the user's."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    with pytest.raises(NoData) as raised:
        ask(answer)
    assert not isinstance(raised.value, UsageError)
    assert len(vendor.asked) <= 3


@pytest.mark.parametrize("body", [b"<html>", b"", b"null", b"7", b"[[[[", b"[]", b"\xff\xfe"])
def test_what_is_not_documented(ask: Callable[..., Any], body: bytes) -> None:
    with pytest.raises(NoData):
        ask(Answer(body))


def test_no_shape_of_an_answer_is_a_crash(vendor: Vendor, queries: CloudWatchQueries) -> None:
    for shape in shapes(results(row((20, 2.0), (30, 1.0)))):
        vendor.plays(said(shape))
        try:
            found = queries.series(json.dumps(MATH), BEGIN, END)
        except NoData:
            continue
        assert all(BEGIN.timestamp() < each.at <= END.timestamp() for each in found)


def test_nobody_there(vendor: Vendor) -> None:
    with pytest.raises(NoData, match="does not answer"):
        opened(vendor, url="http://127.0.0.1:1").series(QUERY, BEGIN, END)


def test_without_credentials(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError, match="without credentials"):
        opened(vendor).series(QUERY, BEGIN, END)


def test_without_a_region(vendor: Vendor) -> None:
    with pytest.raises(UsageError, match="region") as raised:
        opened(vendor, **{"cloudwatch.region": ""})
    assert "metrics.cloudwatch.region" in raised.value.next_step


def test_without_the_extra(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install."""
    real = builtins.__import__

    def absent(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("boto"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError) as raised:
        opened(vendor)
    assert "helm-safe[cloudwatch]" in raised.value.next_step
