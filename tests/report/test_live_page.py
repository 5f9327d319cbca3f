"""The live page: only for whoever has its address, and alive; both pages in a real browser."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from helm_safe.cli import live_page as live
from helm_safe.cli.live_page import Page
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.errors import Unreachable
from helm_safe.model.review import review
from helm_safe.report.pages import page
from helm_safe.report.serving import PageServer
from tests.fakes.runs import RELEASE
from tests.report.browser import CONTRAST, Browser, browser
from tests.rollback.scenes import begin, charted


@pytest.fixture
def server() -> Iterator[PageServer]:
    made = PageServer(lambda nonce: f"<p>{nonce}</p>")
    yield made
    made.close()


def asked(server: PageServer, path: str, method: str = "GET", host: str = "") -> Told:
    parts = urlsplit(server.url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=5)) as connection:
        connection.request(method, path, headers={"Host": host or parts.netloc})
        answer = connection.getresponse()
        return Told(answer.status, dict(answer.headers), answer.read().decode())


class Told(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


def test_only_for_whoever_has_the_address(server: PageServer) -> None:
    parts = urlsplit(server.url)
    assert parts.hostname == "127.0.0.1"
    good = asked(server, parts.path)
    assert good.status == 200
    nonce = good.body[3:-4]
    assert f"'nonce-{nonce}'" in good.headers["Content-Security-Policy"]
    assert good.headers["Cache-Control"] == "no-store"
    assert asked(server, parts.path, "HEAD").status == 200
    assert asked(server, parts.path, host="evil.example:80").status == 404
    assert asked(server, parts.path, host=f"localhost:{parts.port}").status == 200
    assert asked(server, parts.path, "POST").status == 501
    for path in ("/", parts.path[:-1], parts.path + "x", "/" + "a" * 32 + "/", parts.path + "?a"):
        refused = asked(server, path)
        assert refused.status == 404
        assert "nonce" not in refused.body


def test_it_waits_for_a_run_and_says_when_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = charted(tmp_path, "ssa")
    shown = Page(made.world, RELEASE)
    assert "this page waits for one" in shown("n")
    begin(made)
    monkeypatch.setattr(live, "LOOK", 0.0)
    assert "revision 2 → 1" in shown("n")
    assert shown.ended
    assert "data-ended" in shown("n")

    def gone(*_: object) -> None:
        raise Unreachable("the API server <b>is away</b>")

    monkeypatch.setattr("helm_safe.journal.secret_store.runs_of", gone)
    old = shown("n")
    assert "revision 2 → 1" in old
    assert "This is not of now: the API server &lt;b&gt;is away&lt;/b&gt;" in old


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.timeout(200)
@pytest.mark.parametrize("dark", [False, True])
def test_the_report_in_a_browser(tab: Browser, tmp_path: Path, dark: bool) -> None:
    made = charted(tmp_path, "ssa")
    begin(made)
    runs = runs_of(made.cluster, RELEASE)
    newest = max(runs)
    file = tmp_path / "report.html"
    file.write_text(page(review(RELEASE, newest, runs[newest]), "html"), encoding="utf-8")
    tab.requested.clear()
    tab.complaints.clear()
    tab.open(file.as_uri(), dark=dark)
    assert tab.value("document.querySelector('h1').innerText") == "checkout-api: revision 2 → 1"
    worst, which = tab.value(CONTRAST)
    assert worst >= 4.5, which
    assert tab.value("document.documentElement.lang") == "en"
    assert tab.value("document.querySelectorAll('svg title, svg[aria-label], svg[role=img]').length") > 0
    before = tab.value("window.scrollY")
    tab.press("End", 35)
    time.sleep(0.5)
    assert tab.value("window.scrollY") > before
    assert tab.complaints == []
    assert [url for url in tab.requested if not url.startswith("file://")] == []
    assert len(tab.picture()) > 10000
    assert tab.call("Page.printToPDF")["data"].startswith("JVBERi")


@pytest.mark.timeout(200)
def test_the_live_page_follows_by_itself(tab: Browser) -> None:
    from helm_safe.report.pages import live_page

    words = ["begun"]
    made = PageServer(
        lambda nonce: live_page("<h1>run</h1>" + "<p>line</p>" * 200 + words[0], nonce, "t", "", ended=False)
    )
    try:
        tab.requested.clear()
        tab.complaints.clear()
        tab.open(made.url)
        assert "begun" in tab.value("document.body.innerText")
        tab.value("window.scrollTo(0, 500)")
        words[0] = "going on"
        time.sleep(3.5)
        assert "going on" in tab.value("document.body.innerText")
        assert tab.value("window.scrollY") == 500
        assert tab.complaints == []
        assert {url for url in tab.requested if not url.startswith(("data:", "about:"))} <= {
            made.url,
            made.url + "favicon.ico",
        }
    finally:
        made.close()
    time.sleep(3.5)
    assert str(tab.value("document.title")).startswith("(lost)")
