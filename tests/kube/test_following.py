"""The view behind a watch: what happens to it when lists and watches overtake each other, break, end or are refused."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helm_safe.core.objects import Object
from helm_safe.kube.following import LISTS_AFTER, STALE, KubeFollowing, Watch
from helm_safe.model.errors import ClusterError, Conflict, Forbidden, Stale, Unreachable
from helm_safe.ports import Listing, whole

END: Any = object()
CUT: Any = object()


class Line:
    """One watch: events are put in by the test; END ends it in order, CUT breaks it."""

    def __init__(self, since: str) -> None:
        self.since = since
        self.whole = False
        self.news: queue.Queue[Any] = queue.Queue()

    def shut(self) -> None:
        self.news.put(CUT)

    def events(self) -> Iterator[tuple[str, Object]]:
        while True:
            event = self.news.get(timeout=20)
            if event is END:
                self.whole = True
            if event is END or event is CUT:
                return
            if isinstance(event, ClusterError):
                raise event
            yield event

    def tell(self, kind: str, name: str = "", version: int = 0) -> None:
        self.news.put((kind, thing(name, version)))


class Server:
    """Lists and watches; `refuses`: errors for the next watches. time: what the view takes for now."""

    def __init__(self) -> None:
        self.objects: list[Object] = [thing("one", 1)]
        self.version = 1
        self.lists = 0
        self.lines: queue.Queue[Line] = queue.Queue()
        self.opened: list[str] = []
        self.refuses: list[ClusterError] = []
        self.down: ClusterError | None = None
        self.time = 0.0

    def read(self) -> Listing:
        self.lists += 1
        if self.down:
            raise self.down
        return Listing(list(self.objects), str(self.version))

    def watch(self, since: str) -> Watch:
        self.opened.append(since)
        if self.refuses:
            raise self.refuses.pop(0)
        line = Line(since)
        self.lines.put(line)
        return Watch(line, line.events())

    def next(self) -> Line:
        return self.lines.get(timeout=10)


def thing(name: str, version: int = 0) -> Object:
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": str(version)}}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def view(server: Server) -> Iterator[KubeFollowing]:
    before = threading.active_count()
    with KubeFollowing(server.read, server.watch, whole, "pods", now=lambda: server.time, pause=0.002) as view:
        yield view
    assert threading.active_count() == before


def names(view: KubeFollowing) -> list[str]:
    return sorted(str(obj["metadata"]["name"]) for obj in view.items())


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.002)


def test_what_happens_is_seen_and_the_next_watch_goes_on_from_there(server: Server, view: KubeFollowing) -> None:
    line = server.next()
    assert (names(view), line.since) == (["one"], "1")
    line.tell("ADDED", "two", 5)
    line.tell("MODIFIED", "one", 6)
    line.tell("DELETED", "one", 7)
    line.tell("BOOKMARK", "", 9)
    line.news.put(END)
    assert server.next().since == "9"
    assert names(view) == ["two"]
    assert server.lists == 1


@pytest.mark.parametrize("end", [END, CUT, Unreachable("gone")])
def test_a_watch_that_ends_goes_on_without_a_list(server: Server, view: KubeFollowing, end: Any) -> None:
    line = server.next()
    line.tell("ADDED", "two", 5)
    line.news.put(end)
    assert server.next().since == "5"
    assert server.lists == 1


def test_a_version_that_is_too_old_is_listed_anew(server: Server, view: KubeFollowing) -> None:
    """What was deleted meanwhile is not in the view any more."""
    line = server.next()
    server.objects, server.version = [thing("new", 30)], 30
    line.news.put(Conflict("too old", status=410))
    assert server.next().since == "30"
    assert names(view) == ["new"]


def test_a_refresh_wins_over_what_the_watch_says_late(server: Server, view: KubeFollowing) -> None:
    line = server.next()
    server.objects, server.version = [], 20
    view.refresh()
    line.tell("MODIFIED", "one", 2)
    assert server.next().since == "20"
    assert names(view) == []


def test_silence_is_no_data_and_then_lists_help_out(server: Server, view: KubeFollowing) -> None:
    """Until the watch gives a sign of life again."""
    line = server.next()
    server.time = STALE + 1
    with pytest.raises(Stale):
        view.items()
    server.objects, server.time = [thing("listed")], LISTS_AFTER + 1
    assert names(view) == ["listed"]
    server.objects, server.time = [thing("again")], LISTS_AFTER + 4
    assert names(view) == ["again"]
    server.objects = [thing("later", 40)]
    line.tell("BOOKMARK", "", 3)
    second = server.next()
    second.tell("ADDED", "watched", 41)
    until(lambda: "watched" in names(view))
    server.time += STALE - 1
    assert "later" not in names(view)


def test_an_orderly_end_is_a_sign_of_life_and_a_cut_is_none(server: Server, view: KubeFollowing) -> None:
    server.time = 20.0
    server.next().news.put(END)
    second = server.next()
    assert view.age() == 0
    server.time = 35.0
    second.news.put(CUT)
    server.next()
    assert view.age() == 15


def test_a_server_that_is_away_is_asked_again_and_again_and_the_error_is_the_lists(
    server: Server, view: KubeFollowing
) -> None:
    line = server.next()
    server.down = Unreachable("no route")
    server.refuses = [Unreachable("no route")] * 2
    line.news.put(CUT)
    until(lambda: server.lists > 3)
    server.time = LISTS_AFTER + 1
    with pytest.raises(Unreachable):
        view.items()
    server.down = None
    server.next().tell("ADDED", "two", 8)
    until(lambda: names(view) == ["one", "two"])


def test_where_watching_is_refused_lists_do(server: Server) -> None:
    server.refuses = [Forbidden("may not watch pods")]
    with KubeFollowing(server.read, server.watch, whole, "pods", now=lambda: server.time) as view:
        until(lambda: view.refused)
        server.objects = [thing("two")]
        assert names(view) == ["one"], "one list in two seconds is enough"
        server.time = 3.0
        assert names(view) == ["two"]
    assert len(server.opened) == 1


def test_only_what_is_kept_is_kept(server: Server) -> None:
    def keep(obj: Object) -> Object | None:
        return None if obj["metadata"]["name"] == "noise" else {"metadata": {"name": obj["metadata"]["name"]}}

    with KubeFollowing(server.read, server.watch, keep, "pods", now=lambda: server.time) as view:
        line = server.next()
        line.tell("ADDED", "noise", 2)
        line.tell("ADDED", "two", 3)
        until(lambda: len(view.items()) == 2)
        assert {"metadata": {"name": "two"}} in view.items()


def test_what_may_not_be_listed_is_said_at_once(server: Server) -> None:
    server.down = Forbidden("may not list pods")
    with pytest.raises(Forbidden):
        KubeFollowing(server.read, server.watch, whole, "pods")
    assert not [thread for thread in threading.enumerate() if thread.name == "follow pods"]
