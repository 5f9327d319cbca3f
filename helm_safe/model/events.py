"""Event: what happened, for people and machines that watch a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class Level(str, Enum):
    """How much an event asks of the reader."""

    DETAIL = "detail"
    INFO = "info"
    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's story. stage: the stage's word; message: plain words; data: facts for machines."""

    at: datetime
    stage: str
    level: Level
    message: str
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The published shape of one line of `-o jsonl`."""
        body = {
            "at": self.at.isoformat(),
            "stage": self.stage,
            "level": self.level.value,
            "message": self.message,
        }
        return {**body, "data": self.data} if self.data else body
