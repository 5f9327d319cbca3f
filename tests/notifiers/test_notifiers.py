"""Every notifier over the wire: what the receiver knows in the end, on bad days too, and that no secret is in any word."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helm_safe.model.errors import UsageError
from helm_safe.model.incident import Notice, Notifier, NotSent, State
from helm_safe.model.notifying import SHAPES
from helm_safe.notifiers import NOTIFIERS, http
from helm_safe.notifiers.setup import Credential, Setup, credential
from helm_safe.notifiers.webhook import signature, signed
from helm_safe.registry import resolve
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import START, FakeClock
from tests.fakes.webserver import Handler, listening
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

KEY = "helm-safe/3f2a9c1e/prod/checkout-api/20260102-030405-abcdef"
NOTICE = Notice(
    key=KEY,
    at=START,
    began=START - timedelta(minutes=1),
    state=State.UNDER_WAY,
    cluster="3f2a9c1e",
    namespace="prod",
    release="checkout-api",
    subject="rollback from revision 4 to revision 3",
    current=4,
    target=3,
    strategy="standby",
    by="ann@laptop",
    run="20260102-030405-abcdef",
    stage="SHIFT",
    share="90 % at checkout-api, 10 % at checkout-api-standby",
    lines=("SHIFT: 10 % wanted, 10 % actual",),
)
WAITING = replace(NOTICE, state=State.WAITING, needs="the on-call: approve")
DONE = replace(
    NOTICE, state=State.SUCCEEDED, open=False, lines=("revision 5 is live",), at=START + timedelta(minutes=9)
)
FAILED = replace(NOTICE, state=State.FAILED, needs="whoever is on call: look")
ONCE = ("slack", "slack-webhook", "teams", "grafana")
NETWORK = [kind for kind in NOTIFIERS if kind != "stdout"]


@pytest.fixture
def there() -> Iterator[Receivers]:
    with receiving() as found:
        yield found


class Maker:
    def __init__(self, there: Receivers) -> None:
        self.there = there
        self.clock = FakeClock()
        self.shown: list[str] = []

    def __call__(self, kind: str, secret: str = "", *, dry: bool = False, **more: Any) -> Notifier:
        url = self.there.url
        options: dict[str, dict[str, Any]] = {
            "pagerduty": {"url": url},
            "slack": {"url": f"{url}/slack", "channel": "C0123456789"},
            "opsgenie": {"url": url, "team": "shop"},
            "alertmanager": {"urls": [url], "labels": {"team": "shop"}},
            "grafana": {"url": url, "tags": ["shop"]},
            "webhook": {"url": f"{url}/hook"},
        }
        keys = {
            "pagerduty": ROUTING_KEY,
            "slack": BOT_TOKEN,
            "slack-webhook": url + SLACK_PATH,
            "teams": url + TEAMS_PATH,
            "opsgenie": GENIE_KEY,
            "alertmanager": AM_TOKEN,
            "grafana": GRAFANA_TOKEN,
            "webhook": HMAC_KEY,
        }
        held = Credential(secret or keys.get(kind, ""), "environment variable THE_KEY")
        chosen = {**options.get(kind, {}), **more}
        made: Notifier = resolve(NOTIFIERS[kind])(Setup("one", chosen, held, self.clock, {}, self.shown.append, dry))
        return made


@pytest.fixture
def make(there: Receivers) -> Maker:
    return Maker(there)


def test_every_type_of_the_policy_has_its_adapter() -> None:
    assert list(NOTIFIERS) == list(SHAPES)


# --- one incident, from its opening to its end ---


def whole(notifier: Notifier, *notices: Notice) -> Any:
    """Opened, updated by all but the last, closed by it."""
    memory = notifier.opened(NOTICE, {})
    for each in notices[:-1]:
        memory = notifier.updated(each, memory)
    return notifier.closed(notices[-1], memory)


def test_pagerduty_pages_once_and_resolves(there: Receivers, make: Maker) -> None:
    whole(make("pagerduty"), NOTICE, WAITING, NOTICE, WAITING, DONE)
    assert there.alerts == {KEY: "resolved"}
    assert there.pages == 1
    summary = there.changes[0]["payload"]["summary"]
    assert summary == "checkout-api in prod: rollback from revision 4 to revision 3 succeeded"


def test_pagerduty_keeps_open_what_is_handed_over(there: Receivers, make: Maker) -> None:
    whole(make("pagerduty"), FAILED)
    assert there.alerts == {KEY: "triggered"}
    assert there.pages == 1
    last = there.asked[-1][2]
    assert last["payload"]["severity"] == "critical"
    assert last["payload"]["custom_details"]["Needed"] == "whoever is on call: look"


def test_pagerduty_acknowledges_what_a_person_works_on(there: Receivers, make: Maker) -> None:
    make("pagerduty").opened(replace(NOTICE, attended=True), {})
    assert there.alerts == {KEY: "acknowledged"}


def test_pagerduty_joins_without_paging_and_leaves_it_to_who_opened_it(there: Receivers, make: Maker) -> None:
    there.alerts["INC-7"] = "triggered"
    joined, done = (replace(each, key="INC-7", joined=True) for each in (NOTICE, DONE))
    pager = make("pagerduty")
    pager.closed(done, pager.opened(joined, {}))
    assert there.alerts == {"INC-7": "acknowledged"}
    assert there.pages == 0


def test_slack_keeps_one_message_and_its_thread(there: Receivers, make: Maker) -> None:
    memory = whole(make("slack"), NOTICE, WAITING, DONE)
    assert memory == {"channel": "C0123456789", "ts": there.roots[0]["ts"]}
    assert len(there.roots) == 1
    assert there.roots[0]["text"].endswith("rollback from revision 4 to revision 3 succeeded")
    replies = [each for each in there.messages.values() if "thread_ts" in each]
    assert [each["text"] for each in replies] == [
        "SHIFT: 10 % wanted, 10 % actual",
        "SHIFT: 10 % wanted, 10 % actual\n*Needed:* the on-call: approve",
        "revision 5 is live",
    ]
    assert not any(each.get("reply_broadcast") for each in replies)


def test_slack_tells_the_whole_channel_of_what_is_handed_over(there: Receivers, make: Maker) -> None:
    whole(make("slack"), FAILED)
    assert [each.get("reply_broadcast") for each in there.messages.values()] == [None, True]


def test_slack_goes_on_in_the_thread_that_a_killed_process_left(there: Receivers, make: Maker) -> None:
    make("slack").opened(NOTICE, {})  # and dies before it can say so
    memory = make("slack").opened(NOTICE, {"unsure": "1"})
    assert memory["ts"] == there.roots[0]["ts"]
    assert len(there.roots) == 1


def test_slack_that_may_not_look_posts_rather_than_staying_silent(there: Receivers, make: Maker) -> None:
    there.history_allowed = False
    assert make("slack").opened(NOTICE, {"unsure": "1"})["ts"]


def test_slack_mentions_nobody(there: Receivers, make: Maker) -> None:
    make("slack").opened(replace(NOTICE, share="<!channel> & <http://evil|here>"), {})
    assert "<!" not in json.dumps(there.messages)
    assert "&lt;!channel&gt; &amp;" in json.dumps(there.messages)


@pytest.mark.parametrize("kind", ["slack-webhook", "teams"])
def test_without_threads_each_notice_is_a_message(there: Receivers, make: Maker, kind: str) -> None:
    whole(make(kind), NOTICE, DONE)
    assert len(there.plain + there.cards) == 3


@pytest.mark.parametrize("kind", ["slack-webhook", "teams"])
def test_without_threads_a_killed_process_posts_no_second_opening(there: Receivers, make: Maker, kind: str) -> None:
    make(kind).opened(NOTICE, {"unsure": "1"})
    assert there.asked == []


def test_opsgenie_opens_notes_and_closes(there: Receivers, make: Maker) -> None:
    whole(make("opsgenie"), WAITING, DONE)
    alert = there.genie[KEY]
    assert (alert["status"], alert["priority"], len(alert["notes"])) == ("closed", "P2", 2)
    assert alert["responders"] == [{"type": "team", "name": "shop"}]


def test_opsgenie_raises_the_priority_of_what_is_handed_over(there: Receivers, make: Maker) -> None:
    whole(make("opsgenie"), FAILED)
    assert (there.genie[KEY]["status"], there.genie[KEY]["priority"]) == ("open", "P1")


def test_alertmanager_keeps_one_alert_whose_labels_never_change(there: Receivers, make: Maker) -> None:
    whole(make("alertmanager"), WAITING, DONE)
    (alert,) = there.am.values()
    assert alert["endsAt"] == DONE.at.isoformat()
    assert alert["labels"]["team"] == "shop"
    assert alert["annotations"]["urgency"] == "info"


def test_alertmanager_tells_every_replica_and_says_which_was_not_told(there: Receivers, make: Maker) -> None:
    down = "http://127.0.0.1:1"
    with pytest.raises(NotSent, match=r"1 of 2 replicas were told: 127\.0\.0\.1:1 cannot be reached"):
        make("alertmanager", urls=[down, there.url]).opened(NOTICE, {})
    assert len(there.am) == 1


def test_grafana_draws_the_time_of_the_run(there: Receivers, make: Maker) -> None:
    whole(make("grafana"), NOTICE, DONE)
    (annotation,) = there.annotations.values()
    assert annotation["timeEnd"] - annotation["time"] == 600_000
    assert {"helm-safe", "release:checkout-api", KEY, "shop"} <= set(annotation["tags"])


def test_grafana_finds_what_a_killed_process_left(there: Receivers, make: Maker) -> None:
    make("grafana").opened(NOTICE, {})
    assert make("grafana").opened(NOTICE, {"unsure": "1"}) == {"id": "1"}
    assert len(there.annotations) == 1


def test_a_webhook_is_signed_and_a_repetition_is_known(there: Receivers, make: Maker) -> None:
    hook = make("webhook")
    hook.opened(NOTICE, {})
    hook.opened(NOTICE, {})
    hook.closed(DONE, {})
    assert [each["event"] for each in there.hooks] == ["opened", "closed"]


def test_stdout_says_json(make: Maker) -> None:
    make("stdout").opened(NOTICE, {})
    assert json.loads(make.shown[0])["title"] == NOTICE.title


@pytest.mark.parametrize("kind", NETWORK)
def test_the_longest_notice_fits(there: Receivers, make: Maker, kind: str) -> None:
    """The receivers refuse what is longer than documented."""
    long = replace(
        NOTICE,
        release="r" * 53,
        namespace="n" * 63,
        key=f"helm-safe/3f2a9c1e/{'n' * 63}/{'r' * 53}/20260102-030405-abcdef",
        share="ä&<" * 2000,
        needs="[x](y)" * 1000,
        lines=("ü" * 500,) * 20,
    )
    whole(make(kind), *(replace(long, state=each.state, open=each.open) for each in (WAITING, FAILED)))


# --- signatures ---


@pytest.mark.parametrize(
    ("key", "body", "digest"),
    [
        ("\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        ("Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "It's a Secret to Everybody",
            b"Hello, World!",
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
    ],
)
def test_signatures_are_those_of_the_reference(key: str, body: bytes, digest: str) -> None:
    """RFC 4231, cases 1 and 2, and the vector of GitHub's documentation."""
    assert signature(key, body) == f"sha256={digest}"
    assert signed(key, body, f"sha256={digest}")


@pytest.mark.parametrize(
    ("key", "body", "header"),
    [
        (
            "Jefe",
            b"what do ya want for nothing!",
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            "jefe",
            b"what do ya want for nothing?",
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ("Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ("Jefe", b"what do ya want for nothing?", ""),
        ("Jefe", b"what do ya want for nothing?", "sha256=ä"),
    ],
)
def test_other_signatures_are_none(key: str, body: bytes, header: str) -> None:
    assert not signed(key, body, header)


def test_a_receiver_with_another_key_refuses(there: Receivers, make: Maker) -> None:
    with pytest.raises(NotSent, match=r"refuses the credentials \(401\), which come from environment variable THE_KEY"):
        make("webhook", "another-key").opened(NOTICE, {})
    assert there.hooks == []


# --- bad days ---


@pytest.mark.parametrize("kind", NETWORK)
@pytest.mark.parametrize("bad", [Bad(429, {"Retry-After": "4"}), Bad(500), Bad(503), Bad(502, {}, b"<html>")])
def test_what_passes_is_tried_again(there: Receivers, make: Maker, kind: str, bad: Bad) -> None:
    there.bad = [bad, bad]
    make(kind).opened(NOTICE, {})
    assert len(there.asked) == 1
    assert make.clock.passed == 8 if bad.status == 429 else make.clock.passed < 4


@pytest.mark.parametrize("kind", NETWORK)
@pytest.mark.parametrize("status", [500, 429])
def test_three_tries_and_no_more(there: Receivers, make: Maker, kind: str, status: int) -> None:
    there.bad = [Bad(status)] * 9
    with pytest.raises(NotSent):
        make(kind).opened(NOTICE, {})
    assert len(there.bad) == 6
    there.bad = []


def test_who_is_told_to_wait_long_waits_no_longer_than_ten_seconds(there: Receivers, make: Maker) -> None:
    there.bad = [Bad(429, {"Retry-After": "60"})]
    pager = make("pagerduty")
    with pytest.raises(NotSent, match="limits messages"):
        pager.opened(NOTICE, {})
    with pytest.raises(NotSent, match="none is sent before it takes them again"):
        pager.opened(NOTICE, {})
    assert there.asked == []
    make.clock.sleep(61)
    pager.opened(NOTICE, {})
    assert there.pages == 1


@pytest.mark.parametrize("kind", NETWORK)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_what_a_person_must_mend_is_not_tried_again(there: Receivers, make: Maker, kind: str, status: int) -> None:
    words = f"no: {' '.join(SECRETS)}"
    there.bad = [Bad(status, {}, json.dumps({"message": words}).encode())]
    with pytest.raises(NotSent, match=str(status)) as error:
        make(kind).opened(NOTICE, {})
    assert there.asked == []
    own = {"pagerduty": ROUTING_KEY, "slack": BOT_TOKEN, "webhook": HMAC_KEY, "opsgenie": GENIE_KEY}.get(kind)
    assert not own or own not in error.value.message


@pytest.mark.parametrize(("kind", "status"), [("slack-webhook", 404), ("slack-webhook", 410), ("teams", 404)])
def test_a_revoked_webhook_is_called_so_and_not_shown(there: Receivers, make: Maker, kind: str, status: int) -> None:
    there.bad = [Bad(status, {}, f"no_service {SLACK_PATH} {TEAMS_PATH}".encode())]
    with pytest.raises(NotSent, match="or it was revoked") as error:
        make(kind).opened(NOTICE, {})
    mine = "pathNobodyMaySee" if kind == "slack-webhook" else "sigNobodyMaySee"
    assert mine not in error.value.message


def test_slack_says_no_with_200(there: Receivers, make: Maker) -> None:
    with pytest.raises(NotSent, match=r"channel_not_found \(there is no such channel"):
        make("slack", channel="C404").opened(NOTICE, {})
    with pytest.raises(NotSent, match=r"invalid_auth \(the bot token comes from environment variable THE_KEY\)"):
        make("slack", "xoxb-wrong-token-indeed").opened(NOTICE, {})
    assert there.messages == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>login</html>", b'"ok"', b"{" * 99999, b'{"ok": "yes"}'])
def test_slack_answers_that_are_not_its_own_are_no_success(there: Receivers, make: Maker, body: bytes) -> None:
    there.bad = [Bad(200, {}, body)]
    with pytest.raises(NotSent, match=r"refuses chat\.postMessage"):
        make("slack").opened(NOTICE, {})


def test_a_wrong_routing_key(there: Receivers, make: Maker) -> None:
    with pytest.raises(NotSent, match=r"does not take the message \(400\)") as error:
        make("pagerduty", "WrongKeyWrongKeyWrongKeyWrongKey").opened(NOTICE, {})
    assert "WrongKey" not in error.value.message


@pytest.mark.parametrize("kind", NETWORK)
def test_a_cut_connection_never_opens_twice(there: Receivers, make: Maker, kind: str) -> None:
    """The message arrived and its answer did not: repeated only where the receiver knows a repetition."""
    there.bad = [Bad(taken=True)]
    try:
        make(kind).opened(NOTICE, {})
        unsure = False
    except NotSent as error:
        unsure = error.unsure
    assert unsure is (kind in ONCE)
    opened = [there.pages, len(there.roots), len(there.plain), len(there.cards), len(there.genie)]
    opened += [len(there.am), len(there.annotations), len(there.hooks)]
    assert sum(opened) == 1


def test_silence_ends(there: Receivers, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_SILENCE", 0.2)
    there.bad = [Bad(202, {}, b"", pause=0.6)] * 3
    with pytest.raises(NotSent, match="does not answer"):
        make("pagerduty").opened(NOTICE, {})


def test_an_answer_without_end_is_not_read(there: Receivers, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1 << 16)
    there.bad = [Bad(202, {}, b"x" * (1 << 18))]
    with pytest.raises(NotSent, match="more than 64 KiB"):
        make("pagerduty").opened(NOTICE, {})


@pytest.mark.parametrize("kind", NETWORK)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_credentials_follow_no_redirect(there: Receivers, make: Maker, kind: str, status: int) -> None:
    arrived: list[str] = []

    class Elsewhere(Handler):
        def do_POST(self) -> None:  # noqa: N802
            arrived.append(self.path)
            self.answer(200, {}, b"ok")

        do_GET = do_POST  # noqa: N815

    with listening(Elsewhere) as port:
        there.bad = [Bad(status, {"Location": f"http://127.0.0.1:{port}/stolen"})]
        with pytest.raises(NotSent, match="which is not followed"):
            make(kind).opened(NOTICE, {})
    assert arrived == []


def test_an_untrusted_certificate_is_not_talked_to(make: Maker) -> None:
    tls = Path(__file__).parents[1] / "kube" / "tls"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "certificate.pem", tls / "key.pem")
    with listening(Handler, context) as port, pytest.raises(NotSent, match="no trusted connection"):
        make("pagerduty", url=f"https://127.0.0.1:{port}").opened(NOTICE, {})


def test_a_proxy_is_used_and_one_that_is_none_is_said(there: Receivers) -> None:
    held = Credential(ROUTING_KEY, "x")
    env = {"HTTP_PROXY": there.url}
    setup = Setup("one", {"url": "http://pager.invalid"}, held, FakeClock(), env, print)
    resolve(NOTIFIERS["pagerduty"])(setup).opened(NOTICE, {})
    assert there.asked[0][1] == "/v2/enqueue"
    with pytest.raises(UsageError, match="not the address of a proxy"):
        resolve(NOTIFIERS["pagerduty"])(setup._replace(env={"HTTP_PROXY": "gopher://x"}))


# --- secrets ---


@pytest.mark.parametrize("kind", NETWORK)
def test_a_dry_run_sends_nothing_and_shows_no_secret(there: Receivers, make: Maker, kind: str) -> None:
    whole(make(kind, dry=True), WAITING, DONE)
    assert there.asked == []
    assert "checkout-api" in "".join(make.shown)
    assert not [secret for secret in SECRETS if secret in "".join(make.shown)]


def test_a_secret_is_never_part_of_what_is_printed() -> None:
    held = Credential(ROUTING_KEY, "file x")
    setup = Setup("one", {}, held, FakeClock(), {}, print)
    assert ROUTING_KEY not in repr(setup) + str(held)


def test_where_secrets_come_from(tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pager", "namespace": "prod"},
        "data": {"key": "czNjcjN0"},
    }
    cluster = FakeCluster([secret])
    (tmp_path / "key").write_text("s3cr3t\n")

    def get(**wanted: str) -> Credential | None:
        return credential(wanted, {"PAGER": " s3cr3t "}, lambda: cluster, "prod")

    for wanted in ({"env": "PAGER"}, {"file": str(tmp_path / "key")}, {"ref": "secret/pager#key"}):
        found = get(**wanted)
        assert found
        assert found.value == "s3cr3t"
    for wanted in (
        {"env": "NONE"},
        {"file": str(tmp_path / "none")},
        {"file": str(tmp_path)},
        {"ref": "secret/pager#other"},
        {"ref": "secret/none#key"},
    ):
        with pytest.raises(UsageError, match="its secret"):
            get(**wanted)
    assert credential(None, {}, lambda: cluster, "prod") is None


@pytest.mark.parametrize("text", ["two\nlines", "ümlaut", "esc\x1b[2J"])
def test_what_no_header_may_hold_is_no_secret(text: str) -> None:
    with pytest.raises(UsageError, match="characters that none has") as error:
        credential({"env": "PAGER"}, {"PAGER": text}, FakeCluster, "prod")
    assert text not in error.value.message


@pytest.mark.parametrize("text", ["not-an-address", "ftp://x/y", "https://user:pass@host/x", "https://x/y#z"])
def test_a_webhook_secret_that_is_no_address(make: Maker, text: str) -> None:
    with pytest.raises(UsageError, match="is no address") as error:
        make("teams", text)
    assert text not in error.value.message
