"""Slack by a bot: one message per incident, kept up to date by chat.update, with its story in the thread."""

from __future__ import annotations

from typing import Any

from helm_safe.model.incident import Memory, Notice, NotSent
from helm_safe.notifiers.http import receiver
from helm_safe.notifiers.setup import Setup
from helm_safe.notifiers.slack_text import blocks, headline, story

URL = "https://slack.com/api"
EVENT = "helm_safe_incident"
_ADVICE = {
    "not_in_channel": "invite the bot to the channel, or give it the scope chat:write.public",
    "channel_not_found": "there is no such channel, or the bot may not see it: use its id",
    "is_archived": "the channel is archived",
    "missing_scope": "the bot needs the scope chat:write",
}


class Slack:
    """memory: the channel's id and the ts of the message, so that a later process goes on in the same thread."""

    def __init__(self, setup: Setup) -> None:
        self._channel = setup.options["channel"]
        self._origin = setup.secret.origin if setup.secret else ""
        self._http = receiver(setup, URL, {"Authorization": f"Bearer {setup.key}"})

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        """memory: "unsure" where an earlier process may have posted the message and died before it could say so."""
        if memory.get("unsure") and (ts := self._posted(notice)):
            return {"channel": self._channel, "ts": ts}
        body = {
            "channel": self._channel,
            **self._message(notice),
            "metadata": {"event_type": EVENT, "event_payload": {"key": notice.key}},
        }
        said = self._call("chat.postMessage", body, repeatable=False)
        return {"channel": str(said.get("channel", "")), "ts": str(said.get("ts", ""))} if said.get("ts") else {}

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        return self._told(notice, memory, broadcast=False)

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        """An incident that is handed over is told to the whole channel."""
        return self._told(notice, memory, broadcast=notice.open)

    def _told(self, notice: Notice, memory: Memory, *, broadcast: bool) -> Memory:
        if not memory.get("ts"):
            return self.opened(notice, memory)
        channel, ts = memory["channel"], memory["ts"]
        self._call("chat.update", {"channel": channel, "ts": ts, **self._message(notice)})
        reply: dict[str, Any] = {"channel": channel, "thread_ts": ts, "text": story(notice), "unfurl_links": False}
        if broadcast:
            reply["reply_broadcast"] = True
        self._call("chat.postMessage", reply, repeatable=False)
        return {"channel": channel, "ts": ts}

    def _posted(self, notice: Notice) -> str:
        """The ts of the incident's message where the bot may read the channel and it is there; "" otherwise."""
        body = {"channel": self._channel, "limit": 100, "include_all_metadata": True}
        try:
            said = self._call("conversations.history", body)
        except NotSent:  # it needs a scope of its own, and an id for the channel
            return ""
        for message in said.get("messages") or ():
            metadata = message.get("metadata") or {} if isinstance(message, dict) else {}
            if metadata.get("event_type") == EVENT and (metadata.get("event_payload") or {}).get("key") == notice.key:
                return str(message.get("ts", ""))
        return ""

    def _message(self, notice: Notice) -> dict[str, Any]:
        return {"text": headline(notice), "blocks": blocks(notice), "unfurl_links": False}

    def _call(self, method: str, body: dict[str, Any], *, repeatable: bool = True) -> dict[str, Any]:
        """Slack answers failures with 200 as well. An answer that is no JSON is one of somebody else."""
        answer = self._http.send("POST", f"/{method}", body, repeatable=repeatable)
        if answer is None:
            return {}
        said = dict(answer.json())
        if said.get("ok") is True:
            return said
        error = self._http.words(said.get("error") or "an answer that is not Slack's")
        advice = _ADVICE.get(error, "")
        if "auth" in error or "token" in error or error == "account_inactive":
            advice = f"the bot token comes from {self._origin}"
        raise NotSent(f"{self._http.host} refuses {method}: {error}" + (f" ({advice})" if advice else ""))
