"""DECLARE in whole runs: one incident, told over crash and resume, and no notifier ever delays or fails a rollback."""

from __future__ import annotations

import copy
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helm_safe.cli.notifying import openers
from helm_safe.journal.clock import SystemClock
from helm_safe.journal.secret_store import runs_of
from helm_safe.model.errors import HelmSafeError, Interrupted, LostLease
from helm_safe.model.events import Event
from helm_safe.model.incident import Memory, Notice, NotSent, State
from helm_safe.model.policy import Annotated, read_policy, resolve
from helm_safe.model.records import Progress, fold
from helm_safe.model.settings import Settings
from helm_safe.rollback import control, declare, teller
from helm_safe.rollback.context import Run
from tests.fakes.controllers import DEAD
from tests.fakes.runs import RELEASE
from tests.fakes.shop import Shop
from tests.notifiers.receivers import (
    AM_TOKEN,
    BOT_TOKEN,
    GENIE_KEY,
    GRAFANA_TOKEN,
    HMAC_KEY,
    ROUTING_KEY,
    SECRETS,
    SLACK_PATH,
    TEAMS_PATH,
    Bad,
    Receivers,
    receiving,
)
from tests.rollback.scenes import SCENES, assert_restored, charted, known_good, progress_of, settings


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fakes' time flies: updates are told as they come."""
    monkeypatch.setattr(teller, "INTERVAL", 0.0)


KILLED = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Killed(BaseException):
    """The process is gone."""


class Pager:
    """What a receiver with deduplication sees. dies: the number of the call at which the process is killed, and
    whether the message was out by then. stumbles: raised by each call.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, Notice, dict[str, str]]] = []
        self.incidents: dict[str, str] = {}
        self.openings = 0
        self.calls = 0
        self.dies: tuple[int, bool] | None = None
        self.dead = threading.Event()
        self.stumbles: Exception | None = None
        self.takes = 0.0
        self.fails = 0

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        return self._call("opened", notice, memory)

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        return self._call("updated", notice, memory)

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        return self._call("closed", notice, memory)

    def _call(self, what: str, notice: Notice, memory: Memory) -> Memory:
        self.calls += 1
        if self.takes:
            time.sleep(self.takes)
        if self.stumbles or self.calls <= self.fails:
            raise self.stumbles or NotSent("down")
        if self.dies == (self.calls, False):
            self._die()
        self.told.append((what, notice, dict(memory)))
        if what == "opened" and not memory.get("unsure"):
            self.openings += 1
        self.incidents[notice.key] = "open" if notice.open else "resolved"
        if self.dies == (self.calls, True):
            self._die()
        return {"ts": "1"}

    def _die(self) -> None:
        self.dead.set()
        raise SystemExit


def telling(made: Shop, pager: Pager, **more: Any) -> Shop:
    """The shop, whose runs tell the pager; once that killed the process, nobody writes any more."""

    def dead(verb: str, obj: Any) -> None:
        if pager.dead.is_set():
            raise Killed if threading.current_thread() is threading.main_thread() else SystemExit

    before = made.cluster.on_write

    def on_write(verb: str, obj: Any) -> None:
        dead(verb, obj)
        if before:
            before(verb, obj)

    made.cluster.on_write = on_write
    found: Mapping[str, Any] = {"pager": lambda: pager, **more}
    made.world = replace(made.world, notifiers=lambda *_: found)
    return made


def run(made: Shop, **asked: Any) -> Run:
    wanted = replace(settings(), **asked)
    return control.start(made.world, RELEASE, 1, wanted, show=lambda _: None, confirm=lambda _: True)


def words_of(pager: Pager) -> str:
    return "\n".join(notice.text for _, notice, _ in pager.told)


# --- one incident per run ---


@pytest.mark.parametrize("scene", ["standby-charted", "shift", "replicas", "express", "native", "partition"])
def test_a_run_is_opened_once_and_resolved(scene: str, tmp_path: Path) -> None:
    found = next(each for name, each in SCENES.items() if name == scene or name.startswith(scene))
    pager = Pager()
    made = telling(found.make(tmp_path, "csa"), pager)
    found.begin(made)
    assert_restored(made, found)
    kinds = [what for what, _, _ in pager.told]
    assert (kinds[0], kinds.count("opened"), kinds[-1], kinds.count("closed")) == ("opened", 1, "closed", 1)
    run_id = max(runs_of(made.cluster, RELEASE))
    assert pager.incidents == {f"helm-safe/unknown/prod/checkout-api/{run_id}": "resolved"}
    assert progress_of(made).told["pager"]["did"] == "closed"


def test_the_words_say_what_where_who_and_how_far(tmp_path: Path) -> None:
    pager = Pager()
    run(telling(charted(tmp_path, "csa"), pager))
    first, last = pager.told[0][1], pager.told[-1][1]
    assert first.title == "checkout-api in prod: rollback from revision 2 to revision 1 is under way"
    assert first.state.urgency.value == "warning"
    assert "@" in first.by
    assert "SHIFT: 10 % wanted, 10.0 % actual" in words_of(pager)
    assert any(notice.share == "90 % at checkout-api, 10 % at checkout-api-standby" for _, notice, _ in pager.told)
    assert last.lines[-1] == "revision 3 is live, with the manifest of revision 1"
    assert last.needs == ""


def test_a_run_that_stops_is_handed_over(tmp_path: Path) -> None:
    pager = Pager()
    made = telling(charted(tmp_path, "csa"), pager)
    made.controllers.behaviours["1"] = DEAD
    with pytest.raises(HelmSafeError):
        run(made)
    what, notice, _ = pager.told[-1]
    assert (what, notice.open, notice.state.urgency.value) == ("closed", True, "critical")
    assert notice.state is State.ABORTED
    assert "revision 2 is still deployed" in notice.needs
    assert list(pager.incidents.values()) == ["open"]


def test_a_run_that_waits_says_for_whom(tmp_path: Path) -> None:
    found = next(each for each in SCENES.values() if "pause_at" in each.flags)
    pager = Pager()
    found.begin(telling(found.make(tmp_path, "csa"), pager))
    waiting = [notice for _, notice, _ in pager.told if notice.state is State.WAITING]
    assert waiting
    assert "helm safe-rollback promote checkout-api -n prod" in waiting[0].needs
    assert pager.told[-1][1].state is State.SUCCEEDED


def test_an_isolation_is_handed_over_to_the_run_that_follows(tmp_path: Path) -> None:
    """The one who isolates and the one who rolls back share an incident: nobody is paged twice."""
    from helm_safe.rollback.isolation import isolate

    pager = Pager()
    made = telling(known_good(tmp_path, "csa"), pager)
    isolate(made.world, RELEASE, "", settings(), lambda _: True)
    assert pager.told[-1][1].state is State.ISOLATED
    assert list(pager.incidents.values()) == ["open"]
    made.clock.sleep(60)
    run(made)
    assert pager.openings == 1
    assert list(pager.incidents.values()) == ["resolved"]


def test_an_incident_is_joined_by_its_key(tmp_path: Path) -> None:
    pager = Pager()
    run(telling(charted(tmp_path, "csa"), pager), incident="INC-7")
    assert {(notice.key, notice.joined) for _, notice, _ in pager.told} == {("INC-7", True)}
    assert not pager.told[-1][1].resolves


# --- killed, and resumed elsewhere ---


@KILLED
@pytest.mark.parametrize("out", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 9])
def test_killed_at_a_message_and_resumed(number: int, out: bool, tmp_path: Path) -> None:
    """The process dies right before or after a message is out; another machine goes on with the same incident."""
    pager = Pager()
    made = telling(charted(tmp_path, "csa"), pager)
    pager.dies = (number, out)
    with suppress(Killed):
        run(made)
    assert pager.dead.is_set()
    pager.dead.clear()
    pager.dies = None
    made.clock.sleep(60)
    with suppress(HelmSafeError):  # where the last message killed it, the run itself had ended
        control.resume(made.world, RELEASE, settings())
    assert progress_of(made).end == "SUCCEEDED"
    assert pager.openings <= 1
    assert len(pager.incidents) == 1
    if number < 9:
        assert list(pager.incidents.values()) == ["resolved"]
        unsure = [memory for what, _, memory in pager.told if what == "opened"][-1].get("unsure")
        assert bool(unsure) == (number == 1)


@KILLED
@pytest.mark.parametrize("verb", [control.resume, control.abort])
def test_another_machine_resolves_or_hands_over(verb: Any, tmp_path: Path) -> None:
    pager = Pager()
    made = telling(charted(tmp_path, "csa"), pager)
    pager.dies = (5, True)
    with suppress(Killed):
        run(made)
    pager.dead.clear()
    elsewhere = copy.copy(made)
    made.clock.sleep(60)
    with suppress(HelmSafeError):
        verb(elsewhere.world, RELEASE, settings())
    what, notice, memory = pager.told[-1]
    assert what == "closed"
    assert memory == {"ts": "1"}
    assert notice.open == (verb is control.abort)
    assert pager.openings == 1


def test_a_stopped_run_says_how_to_go_on(tmp_path: Path) -> None:
    pager = Pager()
    made = telling(charted(tmp_path, "csa"), pager)

    sent: list[int] = []

    def stop(_: float) -> None:
        if not sent and any("10 % wanted" in words for words in made.words()):
            sent.append(1)
            os.kill(os.getpid(), signal.SIGTERM)

    made.clock.passing.append(stop)
    with pytest.raises(Interrupted):
        run(made)
    notice = pager.told[-1][1]
    assert notice.state is State.INTERRUPTED
    assert "helm safe-rollback resume checkout-api -n prod" in notice.needs
    made.clock.sleep(60)
    control.resume(made.world, RELEASE, settings())
    assert pager.openings == 1
    assert list(pager.incidents.values()) == ["resolved"]


def test_who_lost_the_lease_says_nothing_more(tmp_path: Path) -> None:
    pager = Pager()
    made = telling(charted(tmp_path, "csa"), pager)
    held: list[Any] = []

    def lost(_: float) -> None:
        if len(pager.told) > 4 and not held:
            held.append(len(pager.told))
            lease = next(key for key in made.cluster.objects if key[1] == "Lease")
            stolen = copy.deepcopy(made.cluster.objects[lease])
            stolen["spec"]["holderIdentity"] = "somebody else"
            stolen["metadata"]["resourceVersion"] = "999999"
            made.cluster.objects[lease] = stolen

    made.clock.passing.append(lost)
    with pytest.raises(HelmSafeError) as error:
        run(made)
    assert held
    if isinstance(error.value, LostLease):
        assert pager.told[-1][0] != "closed"


# --- it never delays or fails a run ---


@pytest.mark.parametrize("trouble", [NotSent("pager.example is in trouble (503)"), RuntimeError("boom"), KeyError("x")])
def test_a_notifier_that_is_down_fails_nothing_and_is_said_at_the_end(trouble: Exception, tmp_path: Path) -> None:
    pager, other = Pager(), Pager()
    pager.stumbles = trouble
    made = telling(charted(tmp_path, "csa"), pager, other=lambda: other)
    run(made)
    assert other.told[-1][0] == "closed"
    said = [event.message for event in made.world.reporter.events if event.stage == "DECLARE"]
    assert [words for words in said if words.startswith("notifier pager was not told all: ")]
    assert progress_of(made).told["pager"]["did"] == "failed"


def test_a_notifier_that_cannot_be_opened_fails_nothing(tmp_path: Path) -> None:
    from helm_safe.model.errors import UsageError

    def broken() -> Pager:
        raise UsageError("its secret is not there: environment variable PAGER is not set or empty")

    made = telling(charted(tmp_path, "csa"), Pager(), broken=broken)
    run(made)
    assert "PAGER is not set" in progress_of(made).told["broken"]["failed"]


def test_a_slow_notifier_delays_nothing_but_the_end_and_that_by_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declare, "BUDGET", 0.5)
    plain = charted(tmp_path / "plain", "csa")
    began = time.monotonic()
    run(plain)
    usual = time.monotonic() - began
    pager = Pager()
    pager.takes = 5.0
    made = telling(charted(tmp_path / "slow", "csa"), pager)
    began = time.monotonic()
    run(made)
    assert time.monotonic() - began < usual * 3 + 3
    assert any("within" in event.message for event in made.world.reporter.events if event.stage == "DECLARE")


def test_updates_are_limited_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "INTERVAL", 1e9)
    pager = Pager()
    run(telling(charted(tmp_path, "csa"), pager))
    assert [what for what, _, _ in pager.told] == ["opened", "closed"]
    assert len(pager.told[-1][1].lines) == 20


@KILLED
def test_killed_at_the_second_try_of_an_opening(tmp_path: Path) -> None:
    """What failed for certain is opened anew; what may have arrived is opened as unsure."""
    pager = Pager()
    made = telling(charted(tmp_path, "csa"), pager)
    pager.fails, pager.dies = 1, (2, True)
    with suppress(Killed):
        run(made)
    assert pager.dead.is_set()
    pager.dead.clear()
    made.clock.sleep(60)
    control.resume(made.world, RELEASE, settings())
    openings = [memory.get("unsure") for what, _, memory in pager.told if what == "opened"]
    assert openings[0] is None
    assert openings[1]
    assert pager.openings == 1


# --- over the wire, with every notifier, and not a secret anywhere ---


@pytest.fixture
def there() -> Iterator[Receivers]:
    with receiving() as found:
        yield found


def policy(url: str) -> Settings:
    entries: list[dict[str, Any]] = [
        {"name": "pagerduty", "type": "pagerduty", "url": url},
        {"name": "slack", "type": "slack", "url": f"{url}/slack", "channel": "C0123456789"},
        {"name": "slack-webhook", "type": "slack-webhook"},
        {"name": "teams", "type": "teams"},
        {"name": "opsgenie", "type": "opsgenie", "url": url},
        {"name": "alertmanager", "type": "alertmanager", "urls": [url]},
        {"name": "grafana", "type": "grafana", "url": url},
        {"name": "webhook", "type": "webhook", "url": f"{url}/hook"},
    ]
    named = [{**entry, "secret": {"env": entry["name"].replace("-", "_").upper()}} for entry in entries]
    document = {
        "apiVersion": "helm-safe.dev/v1alpha1",
        "kind": "RollbackPolicy",
        "spec": {"notifiers": [*named, {"name": "stdout", "type": "stdout"}]},
    }
    flags = {"steps": "10,50,100", "bake": "8s", "timeout": "300s", "warm-up.least": "20"}
    chosen = resolve(flags, read_policy(document, "policy", ()), Annotated(0, {}), Annotated(0, {}))
    return Settings(yes=True).settled(chosen)


def environment(url: str) -> dict[str, str]:
    return {
        "PAGERDUTY": ROUTING_KEY,
        "SLACK": BOT_TOKEN,
        "SLACK_WEBHOOK": url + SLACK_PATH,
        "TEAMS": url + TEAMS_PATH,
        "OPSGENIE": GENIE_KEY,
        "ALERTMANAGER": AM_TOKEN,
        "GRAFANA": GRAFANA_TOKEN,
        "WEBHOOK": HMAC_KEY,
    }


def wired(made: Shop, there: Receivers) -> Shop:
    telling_them = openers(lambda: made.cluster, SystemClock(), environment(there.url))
    made.world = replace(made.world, notifiers=telling_them)
    return made


def everything(made: Shop, folder: Path) -> str:
    """All that was said, journaled and left on disk."""
    records = [record.to_json() for records in runs_of(made.cluster, RELEASE).values() for record in records]
    disk = [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
    events = [event.to_json() for event in made.world.reporter.events if isinstance(event, Event)]
    return json.dumps([records, events, disk], ensure_ascii=False)


def test_a_run_tells_them_all(there: Receivers, tmp_path: Path) -> None:
    made = wired(charted(tmp_path, "csa"), there)
    control.start(made.world, RELEASE, 1, policy(there.url), show=lambda _: None, confirm=lambda _: True)
    told: Progress = fold(runs_of(made.cluster, RELEASE)[max(runs_of(made.cluster, RELEASE))])
    assert {name: (data["did"], data.get("failed", "")) for name, data in told.told.items()} == {
        entry["name"]: ("closed", "") for entry in policy(there.url).resolved.value("notifiers")
    }
    assert list(there.alerts.values()) == ["resolved"]
    assert len(there.roots) == len(there.annotations) == len(there.am) == 1
    assert [each["status"] for each in there.genie.values()] == ["closed"]
    assert {each["event"] for each in there.hooks} >= {"opened", "closed"}
    found = everything(made, tmp_path)
    assert not [secret for secret in SECRETS if secret in found]


def test_refusals_that_repeat_secrets_leak_none(
    there: Receivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "INTERVAL", 1e9)
    there.bad = [Bad(403, {}, json.dumps({"message": " ".join(SECRETS)}).encode())] * 400
    made = wired(charted(tmp_path, "csa"), there)
    control.start(made.world, RELEASE, 1, policy(there.url), show=lambda _: None, confirm=lambda _: True)
    said = [event.message for event in made.world.reporter.events if event.message.startswith("notifier ")]
    assert len(said) == 8
    for name, secret in environment(there.url).items():
        mine = secret.rpartition("/")[2].rpartition("=")[2]
        line = next(words for words in said if words.startswith(f"notifier {name.lower().replace('_', '-')} "))
        assert mine not in line, name


def test_a_dry_run_of_the_messages_sends_none(there: Receivers, tmp_path: Path) -> None:
    made = wired(charted(tmp_path, "csa"), there)
    asked = replace(policy(there.url), notify_dry_run=True)
    control.start(made.world, RELEASE, 1, asked, show=lambda _: None, confirm=lambda _: True)
    assert there.asked == []
    found = everything(made, tmp_path)
    assert "pagerduty: POST" in found
    assert not [secret for secret in SECRETS if secret in found]
    assert progress_of(made).told == {}
