"""A notice in Slack's own mark-up, within its limits."""

from __future__ import annotations

from typing import Any

from helm_safe.model.incident import Notice, Urgency, cut

MARKS = {
    Urgency.INFO: "🟢",
    Urgency.WARNING: "🟡",
    Urgency.ERROR: "🟠",
    Urgency.CRITICAL: "🔴",
}
TEXT, HEADER, SECTION, FIELD = 3500, 150, 2900, 1900


def escaped(text: str) -> str:
    """Text that mentions nobody and links nowhere."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headline(notice: Notice) -> str:
    joined = f" (part of incident {notice.key})" if notice.joined else ""
    return cut(escaped(f"{MARKS[notice.state.urgency]} {notice.title}{joined}"), TEXT)


def story(notice: Notice) -> str:
    """What happened since the last message, for the thread."""
    needed = [f"*Needed:* {escaped(notice.needs)}"] if notice.needs else []
    lines = [escaped(line) for line in notice.lines] or [escaped(notice.title)]
    return cut("\n".join([*lines, *needed]), TEXT)


def blocks(notice: Notice) -> list[dict[str, Any]]:
    """The root message: how it stands now."""
    facts = [(name, value) for name, value in notice.facts if name != "Needed"][:10]
    found: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": cut(f"{MARKS[notice.state.urgency]} {notice.title}", HEADER)},
        },
        {
            "type": "section",
            "fields": [{"type": "mrkdwn", "text": cut(f"*{name}*\n{escaped(value)}", FIELD)} for name, value in facts],
        },
    ]
    if notice.needs:
        needed = cut(f"*Needed:* {escaped(notice.needs)}", SECTION)
        found.append({"type": "section", "text": {"type": "mrkdwn", "text": needed}})
    context = cut(escaped(f"{notice.key} · {notice.at:%Y-%m-%d %H:%M:%S} UTC"), FIELD)
    return [*found, {"type": "context", "elements": [{"type": "mrkdwn", "text": context}]}]
