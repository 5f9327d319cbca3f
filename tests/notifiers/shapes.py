"""The documented shapes of what each API takes, as JSON Schema."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

TEXT = {"type": "string", "minLength": 1}


def obj(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object that takes nothing else."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **optional},
    }


def limited(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
ROUTING_KEY = {"type": "string", "pattern": "^[a-zA-Z0-9]{32}$"}
PAYLOAD = obj(
    {"summary": limited(1024), "source": TEXT, "severity": {"enum": ["critical", "error", "warning", "info"]}},
    timestamp=MOMENT,
    component={"type": "string"},
    group={"type": "string"},
    **{"class": {"type": "string"}},
    custom_details={"type": "object"},
)
PAGERDUTY = {
    "oneOf": [
        obj(
            {
                "routing_key": ROUTING_KEY,
                "event_action": {"const": "trigger"},
                "dedup_key": limited(255),
                "payload": PAYLOAD,
            },
            client=TEXT,
            client_url=TEXT,
            links={"type": "array"},
            images={"type": "array"},
        ),
        obj(
            {
                "routing_key": ROUTING_KEY,
                "event_action": {"enum": ["acknowledge", "resolve"]},
                "dedup_key": limited(255),
            }
        ),
    ]
}
PAGERDUTY_CHANGE = obj(
    {
        "routing_key": ROUTING_KEY,
        "payload": obj({"summary": limited(1024)}, source=TEXT, timestamp=MOMENT, custom_details={"type": "object"}),
    },
    links={"type": "array"},
)
MRKDWN = obj({"type": {"const": "mrkdwn"}, "text": limited(3000)})
FIELD = obj({"type": {"const": "mrkdwn"}, "text": limited(2000)})
BLOCKS = {
    "type": "array",
    "maxItems": 50,
    "items": {
        "oneOf": [
            obj({"type": {"const": "header"}, "text": obj({"type": {"const": "plain_text"}, "text": limited(150)})}),
            obj(
                {"type": {"const": "section"}},
                text=MRKDWN,
                fields={"type": "array", "minItems": 1, "maxItems": 10, "items": FIELD},
            ),
            obj({"type": {"const": "context"}, "elements": {"type": "array", "maxItems": 10, "items": FIELD}}),
        ]
    },
}
SLACK_POST = obj(
    {"channel": TEXT, "text": limited(4000)},
    blocks=BLOCKS,
    unfurl_links={"type": "boolean"},
    thread_ts=TEXT,
    reply_broadcast={"type": "boolean"},
    metadata=obj({"event_type": TEXT, "event_payload": {"type": "object"}}),
)
SLACK_UPDATE = obj(
    {"channel": TEXT, "ts": TEXT, "text": limited(4000)}, blocks=BLOCKS, unfurl_links={"type": "boolean"}
)
SLACK_WEBHOOK = obj({"text": limited(4000)}, blocks=BLOCKS)
TEXT_BLOCK = obj(
    {"type": {"const": "TextBlock"}, "text": {"type": "string"}},
    wrap={"type": "boolean"},
    weight={"enum": ["Bolder"]},
    size={"enum": ["Medium", "Small"]},
    style={"const": "heading"},
    isSubtle={"type": "boolean"},
    color={"enum": ["good", "warning", "attention"]},
)
FACT_SET = obj({"type": {"const": "FactSet"}, "facts": {"type": "array", "items": obj({"title": TEXT, "value": TEXT})}})
CARD = obj(
    {
        "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
        "type": {"const": "AdaptiveCard"},
        "version": {"const": "1.2"},
        "body": {"type": "array", "items": {"oneOf": [TEXT_BLOCK, FACT_SET]}},
    },
    msteams={"type": "object"},
)
TEAMS = obj(
    {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": obj(
                {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": CARD,
                }
            ),
        },
    }
)
OPSGENIE = obj(
    {"message": limited(130)},
    alias=limited(512),
    description={"type": "string", "maxLength": 15000},
    responders={
        "type": "array",
        "items": obj({"type": {"enum": ["team", "user", "schedule", "escalation"]}}, name=TEXT, id=TEXT),
    },
    tags={"type": "array", "maxItems": 20, "items": limited(50)},
    details={"type": "object", "additionalProperties": {"type": "string"}},
    entity=limited(512),
    source=limited(100),
    priority={"enum": ["P1", "P2", "P3", "P4", "P5"]},
)
OPSGENIE_ACT = obj({}, user=limited(100), source=limited(100), note=limited(25000))
OPSGENIE_PRIORITY = obj({"priority": {"enum": ["P1", "P2", "P3", "P4", "P5"]}})
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
ALERTS = {
    "type": "array",
    "items": obj({"labels": STRINGS}, annotations=STRINGS, startsAt=MOMENT, endsAt=MOMENT, generatorURL=TEXT),
}
ANNOTATION = obj(
    {"text": TEXT}, time={"type": "integer"}, timeEnd={"type": "integer"}, tags={"type": "array", "items": TEXT}
)
NOTICE: dict[str, Any] = json.loads(
    resources.files("helm_safe.report").joinpath("schemas/notice.json").read_text("utf-8")
)
"""Our own, published."""
