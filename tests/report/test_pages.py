"""Reports of real journals: every ending is told, nothing comes from outside, and nothing in it is markup."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from helm_safe.journal.secret_store import runs_of
from helm_safe.model.errors import HelmSafeError
from helm_safe.model.review import Review, forward, review, summary
from helm_safe.report.pages import FORMATS, page
from tests.fakes.controllers import CRASHING
from tests.fakes.runs import RELEASE
from tests.fakes.shop import NAME, Shop, photographs
from tests.rollback.scenes import begin, charted, unrouted

EVIL = "<script>alert(1)</script> | `x` [a](javascript:b) \x1b[31m"


def told(made: Shop) -> Review:
    runs = runs_of(made.cluster, RELEASE)
    return review(RELEASE, max(runs), runs[max(runs)])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Review:
    made = charted(tmp_path_factory.mktemp("good"), "ssa")
    begin(made)
    return told(made)


class Page(HTMLParser):
    """What a browser would do with the page. outside: what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_success_is_told(good: Review) -> None:
    words = summary(good)
    assert f"from revision {good.plan.current} back to revision 1 by the strategy standby" in words
    assert "It succeeded after" in words
    assert "as revision 3" in words
    assert "requests succeeded" in words
    assert forward(good)[0].startswith(f"helm upgrade {NAME} -n {RELEASE.namespace}")
    assert [look.step for look in good.looks][:3] == ["shift 10", "shift 50", "shift 100"]
    assert [share for _, share in good.shares][-1] == 0.0, "users are back"
    assert max(share for _, share in good.shares) == 100.0
    assert [row.title for row in good.rows][-1] == "the run ended SUCCEEDED"
    assert all(later.seconds >= row.seconds for row, later in zip(good.rows, good.rows[1:], strict=False))


def test_the_page_stands_alone(good: Review) -> None:
    text = page(good, "html")
    found = Page(text)
    assert found.outside == []
    assert {"script", "img", "link", "iframe", "object"}.isdisjoint(found.tags)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert found.tags.count("svg") == 3
    assert found.tags.count("h1") == 1
    assert 'lang="en"' in text
    assert "native helm rollback to revision 1" in found.words
    assert len(text) < 100_000


def test_the_curves_are_drawn_and_told(good: Review) -> None:
    text = page(good, "html")
    for part in text.split("<svg")[1:]:
        svg = ET.fromstring("<svg" + part.partition("</svg>")[0] + "</svg>")  # noqa: S314 - our own
        assert svg.get("role") == "img"
        assert svg.findtext("title")
        assert "0 s" in str(svg.findtext("desc")) or " s: " in str(svg.findtext("desc"))
        (line,) = svg.findall("polyline")
        assert all(len(point.split(",")) == 2 for point in str(line.get("points")).split())


@pytest.mark.parametrize("output", FORMATS)
def test_nothing_in_it_is_markup(good: Review, output: str) -> None:
    rows = tuple(replace(row, title=EVIL, words=EVIL) for row in good.rows)
    plan = replace(good.plan, lost=(EVIL,), why=EVIL)
    finding = {"check": "AAA-001", "status": "waived", "severity": "error", "message": EVIL, "waiver": EVIL}
    evil = replace(good, rows=rows, plan=plan, findings=(finding,), evidence=EVIL, suspicions=(EVIL,), by=EVIL)
    text = page(evil, output)
    if output == "html":
        assert {"script", "a"}.isdisjoint(Page(text).tags)
        assert "<script>" not in text
    if output == "md":
        assert "<script>" not in text.replace("\\<script\\>", "")
    if output == "json":
        assert json.loads(text)["timeline"][0]["title"] == EVIL


def test_a_failure_and_an_unfinished_run(tmp_path: Path) -> None:
    made = charted(tmp_path, "ssa")
    made.controllers.behaviours = {"1": CRASHING}
    with pytest.raises(HelmSafeError):
        begin(made)
    failed = told(made)
    assert not failed.good
    assert "before the release was touched" in summary(failed)
    assert "FAILED" in page(failed, "html")
    assert forward(failed)[0].startswith("helm safe-rollback plan")
    assert any(row.good is False for row in failed.rows)


def test_every_prefix_of_a_journal_can_be_told(tmp_path: Path) -> None:
    """Whenever a process dies there is something to show, or a clear reason why not."""
    photos = photographs(unrouted(tmp_path, "ssa"), begin)
    states = set()
    for _, made in photos:
        if runs_of(made.cluster, RELEASE):
            found = told(made)
            states.add(found.state)
            for output in FORMATS:
                assert found.run in page(found, output)
    assert "UNFINISHED" in states
    with pytest.raises(ValueError, match="has no plan"):
        review(RELEASE, "r", [])
