"""The one way to monitoring systems: what is repeated, what is refused, what never leaves or comes in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helm_safe.journal.clock import SystemClock
from helm_safe.metrics import http as module
from helm_safe.metrics.credentials import PASSWORD, TOKEN, USER, Login, keyed, login
from helm_safe.metrics.http import Http, checked
from helm_safe.model.errors import UsageError
from helm_safe.model.traffic import NoData, NoSeries, Refused
from tests.fakes.runs import START, FakeClock
from tests.metrics.vendor import BEGIN, END, Answer, Vendor, ago, said, serving

TLS = Path(__file__).parents[1] / "kube" / "tls"
SECRET = "s3cr3t-of-ours"
LOGIN = Login({"X-Key": SECRET}, "THE_KEY", (SECRET,))


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving() as found:
        yield found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def system(vendor: Vendor, clock: Any, **options: str) -> Http:
    return Http("Demo", vendor.url, clock, LOGIN, options=options)


def test_a_question_and_its_answer(vendor: Vendor, clock: FakeClock) -> None:
    vendor.plays(said({"a": 1}))
    assert system(vendor, clock).json("/path", query={"q": "a b&c"}) == {"a": 1}
    asked = vendor.asked[0]
    assert (asked.method, asked.path, asked.query, asked.headers["x-key"]) == ("GET", "/path", {"q": "a b&c"}, SECRET)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_passes_is_asked_again(vendor: Vendor, clock: FakeClock, status: int) -> None:
    vendor.plays(Answer(b"", status), Answer(b"", status, {"Retry-After": "7"}), said([1]))
    assert system(vendor, clock).json("/") == [1]
    assert len(vendor.asked) == 3
    assert 7 < clock.passed < 10


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {"X-RateLimit-Reset": "7"},
        {"Retry-After": "Fri, 02 Jan 2026 03:04:12 GMT"},
    ],
)
def test_a_limit_is_honoured_in_whichever_header(vendor: Vendor, clock: FakeClock, headers: dict[str, str]) -> None:
    vendor.plays(Answer(b"", 429, headers), said([1]))
    assert system(vendor, clock).json("/") == [1]
    assert clock.passed == 7


def test_who_is_told_to_wait_long_says_so_and_asks_no_more_until_then(vendor: Vendor, clock: FakeClock) -> None:
    vendor.plays(Answer(b"", 429, {"Retry-After": "60"}), said([1]))
    demo = system(vendor, clock)
    with pytest.raises(NoData, match=r"limits requests \(429\)"):
        demo.json("/")
    clock.sleep(30)
    with pytest.raises(NoData, match="asked again in 30 s"):
        demo.json("/")
    assert len(vendor.asked) == 1
    clock.sleep(31)
    assert demo.json("/") == [1]


def test_tries_end(vendor: Vendor, clock: FakeClock) -> None:
    vendor.plays(Answer(b"", 503))
    with pytest.raises(NoData, match="busy or down"):
        system(vendor, clock).json("/")
    assert len(vendor.asked) == module.TRIES
    assert clock.passed < module.BUDGET


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_an_error_and_no_data(vendor: Vendor, clock: FakeClock, status: int) -> None:
    """Which variables to look at is told, what is in them is not: not even where the server repeats it."""
    vendor.plays(said({"errors": [{"detail": f"key {SECRET} is wrong\u001b[2J"}]}, status))
    with pytest.raises(UsageError, match="THE_KEY") as raised:
        system(vendor, clock).json("/")
    assert isinstance(raised.value, NoData)
    assert "is wrong" in raised.value.message
    assert SECRET not in f"{raised.value.message}{raised.value.next_step}"
    assert "\x1b" not in raised.value.message
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 413, 414, 422])
def test_what_a_person_must_correct(vendor: Vendor, clock: FakeClock, status: int) -> None:
    vendor.plays(Answer(b"no such thing", status))
    with pytest.raises(Refused, match=rf"\({status}\): no such thing"):
        system(vendor, clock).json("/")
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(vendor: Vendor, clock: FakeClock, status: int) -> None:
    """Credentials never travel to another host."""
    with serving() as other:
        vendor.plays(Answer(b"", status, {"Location": f"{other.url}/"}))
        with pytest.raises(Refused, match="redirects"):
            system(vendor, clock).json("/")
        assert other.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>login</html>"),
        Answer(b""),
        Answer(b"[" * 100_000),
        Answer(b'{"cut": '),
    ],
)
def test_other_answers_are_no_data(vendor: Vendor, clock: FakeClock, answer: Answer) -> None:
    vendor.plays(answer)
    with pytest.raises(NoData, match="something else"):
        system(vendor, clock).json("/")


def test_a_lost_answer_is_asked_for_again(vendor: Vendor, clock: FakeClock) -> None:
    vendor.plays(Answer(b'{"a"', promised=100), said([1]))
    assert system(vendor, clock).json("/") == [1]
    vendor.plays(Answer(b'{"a"', promised=100))
    with pytest.raises(NoData, match="does not answer"):
        system(vendor, clock).json("/")


def test_a_body_without_bounds_is_not_read(vendor: Vendor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY", 1 << 20)
    vendor.plays(Answer(b" " * (3 << 20)))
    with pytest.raises(NoData, match="more than 1 MiB"):
        system(vendor, clock).json("/")


def test_silence_ends(vendor: Vendor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENCE", 0.1)
    vendor.plays(Answer(b"{}", pause=0.5))
    with pytest.raises(NoData, match="does not answer"):
        system(vendor, clock).json("/")


def test_a_trickle_ends(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps no gate waiting."""
    monkeypatch.setattr(module, "BUDGET", 0.3)
    vendor.plays(Answer(b"[" + b" " * 100 + b"]", pause=0.05))
    clock = SystemClock()
    began = clock.monotonic()
    with pytest.raises(NoData, match="does not answer within"):
        system(vendor, clock).json("/")
    assert clock.monotonic() - began < 2


def test_nobody_there_is_no_data(clock: FakeClock) -> None:
    with pytest.raises(NoData, match="does not answer"):
        Http("Demo", "http://127.0.0.1:1", clock, LOGIN).json("/")


# --- clocks ---


@pytest.mark.parametrize("ahead", [-90, 0, 2, 90])
def test_the_time_is_asked_in_the_clock_of_the_server(vendor: Vendor, clock: FakeClock, ahead: int) -> None:
    """And told in that of this machine; a difference within the rounding is none."""
    vendor.plays(said([]))
    vendor.clock = lambda: clock.now() + timedelta(seconds=ahead)
    demo = system(vendor, clock)

    def fetch(begin: Any, end: Any) -> Iterator[tuple[float, float]]:
        demo.json("/")
        yield end.timestamp() - 5, 1.0
        yield begin.timestamp() - 5, 2.0

    for asked in (2, 1) if abs(ahead) > 3 else (1, 1):
        vendor.asked.clear()
        assert demo.readings(BEGIN, END, fetch) == [(ago(5), 1.0)]
        assert len(vendor.asked) == asked
    assert demo.skew.ahead == timedelta(seconds=ahead if abs(ahead) > 3 else 0)


def test_nothing_in_the_wrong_time_is_asked_again_in_the_right_one(vendor: Vendor, clock: FakeClock) -> None:
    vendor.plays(said([]))
    vendor.clock = lambda: START + timedelta(hours=1)
    demo = system(vendor, clock)

    def fetch(_begin: Any, end: Any) -> Iterator[tuple[float, float]]:
        demo.json("/")
        if end > START + timedelta(minutes=30):
            yield end.timestamp(), 7.0

    assert demo.readings(BEGIN, END, fetch) == [(ago(0), 7.0)]


def test_no_readings_in_the_time(vendor: Vendor, clock: FakeClock) -> None:
    with pytest.raises(NoSeries, match="no numbers"):
        system(vendor, clock).readings(
            BEGIN, END, lambda begin, end: [(begin.timestamp(), 1), (end.timestamp() + 1, 1)]
        )


def test_a_cached_answer_tells_no_time(vendor: Vendor, clock: FakeClock) -> None:
    vendor.plays(said([], Age="30"))
    vendor.clock = lambda: START - timedelta(seconds=30)
    demo = system(vendor, clock)
    demo.json("/")
    assert not demo.skew.ahead


# --- addresses, credentials, certificates ---


@pytest.mark.parametrize(
    "url", ["", "host:9090", "file:///etc/passwd", "http://", "http://a:b@c", "http://[", "http://a/?x=1"]
)
def test_strange_addresses_are_usage_errors(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        checked(url)
    assert "a:b" not in f"{raised.value}{raised.value.next_step}"


def test_credentials_come_from_the_environment() -> None:
    assert login({TOKEN: "t0ken"}).headers == {"Authorization": "Bearer t0ken"}
    assert login({USER: "me", PASSWORD: "pass"}).headers == {"Authorization": "Basic bWU6cGFzcw=="}
    assert login({}).headers == {}
    assert keyed({TOKEN: "t0ken"}, {"Key": ("KEY", "Token ")}).headers == {"Key": "Token t0ken"}
    with pytest.raises(UsageError, match="SECOND is not set"):
        keyed({"FIRST": "1", TOKEN: "t0ken"}, {"A": ("FIRST", ""), "B": ("SECOND", "")})


@pytest.mark.parametrize("secret", ["sec\nret", "sécret", "sec\x00ret"])
def test_what_is_no_header_is_refused_unseen(secret: str) -> None:
    for make in (lambda: login({TOKEN: secret}), lambda: keyed({"KEY": secret}, {"Key": ("KEY", "")})):
        with pytest.raises(UsageError) as raised:
            make()
        assert "ret" not in str(raised.value)


def mutual() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    context.load_verify_locations(TLS / "certificate.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def files(*names: str) -> dict[str, str]:
    found = {"tls.ca": "certificate.pem", "tls.cert": "certificate.pem", "tls.key": "key.pem"}
    return {name: str(TLS / found[name]) for name in names}


def test_mutual_tls(clock: FakeClock) -> None:
    with serving(mutual()) as vendor:
        vendor.plays(said([1]))
        demo = Http("Demo", vendor.url, clock, LOGIN, options=files("tls.ca", "tls.cert", "tls.key"))
        assert demo.json("/") == [1]
        with pytest.raises(Refused, match=r"no trusted connection.*CERTIFICATE_VERIFY_FAILED"):
            Http("Demo", vendor.url, clock, LOGIN).json("/")
        with pytest.raises(NoData):
            Http("Demo", vendor.url, clock, LOGIN, options=files("tls.ca")).json("/")


@pytest.mark.parametrize("name", ["tls.ca", "tls.cert"])
def test_certificates_that_cannot_be_used(clock: FakeClock, tmp_path: Path, name: str) -> None:
    for path in (tmp_path / "missing.pem", tmp_path / "other.pem"):
        with pytest.raises(UsageError, match=r"metrics\.tls"):
            Http("Demo", "https://127.0.0.1:1", clock, LOGIN, options={name: str(path)})
        (tmp_path / "other.pem").write_text("no certificate")


def test_a_key_without_its_certificate_is_not_left_out(clock: FakeClock) -> None:
    with pytest.raises(UsageError, match=r"without metrics\.tls\.cert"):
        Http("Demo", "https://127.0.0.1:1", clock, LOGIN, options=files("tls.key"))


def test_the_proxy_of_the_environment_is_used(vendor: Vendor, clock: FakeClock) -> None:
    vendor.plays(said([1]))
    demo = Http("Demo", "http://demo.example/api", clock, LOGIN, env={"HTTP_PROXY": vendor.url})
    assert demo.json("/x") == [1]
    assert vendor.asked[0].headers["host"] == "demo.example"
    with pytest.raises(UsageError, match="proxy"):
        Http("Demo", "http://demo.example", clock, LOGIN, env={"HTTP_PROXY": "gopher://x"})
