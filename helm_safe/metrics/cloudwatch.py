"""Queries of Amazon CloudWatch: metric math, Metrics Insights, or the JSON of MetricDataQueries.

boto3 signs the requests and finds the credentials: it is the extra `helm-safe[cloudwatch]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from helm_safe.core.objects import dig, mapping, sequence
from helm_safe.metrics.http import checked
from helm_safe.metrics.readings import Pair, number, several
from helm_safe.metrics.skew import Skew
from helm_safe.model.errors import UsageError
from helm_safe.model.traffic import NoData, Reading, Refused
from helm_safe.ports import Clock, Cluster
from helm_safe.web import shown

PERIOD = 60
"""Seconds of an interval where the query names none."""
WHO = "CloudWatch"
_WHERE = "taken where the AWS CLI finds them (AWS_PROFILE, AWS_ACCESS_KEY_ID, the role of the machine)"
_GRANT = "Set them, and allow them cloudwatch:GetMetricData."
_DENIED = ("AccessDenied", "Unrecognized", "InvalidClientTokenId", "ExpiredToken", "Signature", "AuthFailure")
_PASSING = ("Throttl", "TooManyRequests", "RequestLimit", "InternalService", "ServiceUnavailable", "InternalFailure")


class CloudWatchQueries:
    """helm_safe.ports.QueryProvider, of GetMetricData. A query answers one series."""

    summed = True

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._skew = Skew()

    @classmethod
    def opened(
        cls, options: Mapping[str, Any], _cluster: Cluster, clock: Clock, _env: Mapping[str, str]
    ) -> CloudWatchQueries:
        """From the options `metrics.*` of the policy. Raises UsageError without boto3 or a region."""
        return cls(_client(options), clock)

    def series(self, query: str, begin: datetime, end: datetime) -> Sequence[Reading]:
        queries = _queries(query)
        return self._skew.readings(WHO, begin, end, lambda *time: self._points(queries, *time))

    def _points(self, queries: list[dict[str, Any]], begin: datetime, end: datetime) -> Iterator[Pair]:
        found: dict[str, list[Pair]] = {}
        for page in self._pages(MetricDataQueries=queries, StartTime=begin, EndTime=end):
            for row in map(mapping, sequence(page, "MetricDataResults")):
                _see_status(row)
                times = [at.timestamp() for at in sequence(row, "Timestamps") if at]
                key = f"{row.get('Id')} {row.get('Label')}"
                found.setdefault(key, []).extend(zip(times, sequence(row, "Values"), strict=False))
        if len(found) > 1:
            raise several(WHO, len(found), "let the others have ReturnData false, or leave out GROUP BY")
        period = max((number(each) or 0.0 for each in _periods(queries)), default=PERIOD)
        # Values are named by the begin of their interval.
        yield from ((at + period, value) for pairs in found.values() for at, value in pairs)

    def _pages(self, **wanted: Any) -> Iterator[Mapping[str, Any]]:
        from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError

        asked = self._clock.now()
        try:
            for page in self._client.get_paginator("get_metric_data").paginate(**wanted):
                self._skew.learn(mapping(page, "ResponseMetadata", "HTTPHeaders"), asked)
                yield page
        except ClientError as error:
            raise _refusal(error.response) from None
        except NoCredentialsError:
            raise Refused(f"{WHO} cannot be asked without credentials, {_WHERE}", _GRANT) from None
        except ParamValidationError as error:
            raise Refused(f"{WHO} cannot be asked that: {shown(error)}", "Correct the query.") from None
        except Exception as error:  # noqa: BLE001 - for an answer of another shape botocore's parser raises anything
            raise NoData(f"{WHO} does not answer ({type(error).__name__})") from None


def _client(options: Mapping[str, Any]) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise UsageError(
            "CloudWatch is read with boto3, which is not installed",
            "Install the extra: pip install 'helm-safe[cloudwatch]'",
        ) from None
    certificate = (options["tls.cert"], options["tls.key"]) if options["tls.key"] else options["tls.cert"] or None
    tries = {"total_max_attempts": 3, "mode": "standard"}
    config = Config(connect_timeout=5, read_timeout=10, retries=tries, client_cert=certificate)
    try:
        return boto3.Session().client(
            "cloudwatch",
            region_name=options["cloudwatch.region"] or None,
            endpoint_url=checked(options["url"]) if options["url"] else None,
            verify=options["tls.ca"] or None,
            config=config,
        )
    except BotoCoreError as error:
        raise UsageError(
            f"CloudWatch cannot be asked: {shown(error)}",
            "Set metrics.cloudwatch.region or AWS_REGION, or correct AWS_PROFILE.",
        ) from None


def _queries(text: str) -> list[dict[str, Any]]:
    """MetricDataQueries as they stand, or one for an expression."""
    if not text.lstrip().startswith(("[", "{")):
        return [{"Id": "query", "Expression": text, "Period": PERIOD}]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the query for {WHO} is no JSON ({type(error).__name__})", "Correct the query.") from None
    return [mapping(each) for each in (found if isinstance(found, list) else [found])]


def _periods(queries: list[dict[str, Any]]) -> Iterator[Any]:
    for query in queries:
        for period in (query.get("Period"), dig(query, "MetricStat", "Period")):
            if period:
                yield period


def _see_status(row: Mapping[str, Any]) -> None:
    """Raise for a series that is not there for another reason than that there is none."""
    words = "; ".join(str(dig(each, "Value")) for each in sequence(row, "Messages"))
    if row.get("StatusCode") == "Forbidden":
        raise Refused(f"{WHO} refuses the credentials, {_WHERE}: {shown(words)}", _GRANT)
    if row.get("StatusCode") == "InternalError":
        raise NoData(f"{WHO} is in trouble: {shown(words)}")


def _refusal(response: Mapping[str, Any]) -> NoData:
    code, words = str(dig(response, "Error", "Code")), shown(dig(response, "Error", "Message") or "")
    if any(each in code for each in _DENIED):
        return Refused(f"{WHO} refuses the credentials ({shown(code)}), {_WHERE}: {words}", _GRANT)
    status = dig(response, "ResponseMetadata", "HTTPStatusCode") or 0
    if status >= 500 or any(each in code for each in _PASSING):
        return NoData(f"{WHO} cannot answer now ({shown(code)}): {words}")
    return Refused(f"{WHO} cannot answer ({shown(code)}): {words}", "Correct the query.")
