"""The migrations that a database says it has had, and which of them are newer than a revision. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from helm_safe.model.migration_tools import TOOLS, Tool
from helm_safe.model.times import parse_time

SKEW = timedelta(minutes=5)
"""How much earlier than its release a migration may have run: hooks run before the record is final."""


class Applied(NamedTuple):
    """One row of a tool's history. at: by the cluster's clock, None where the tool keeps no time. text: what the row
    tells of the change, "" where it tells nothing.
    """

    version: str
    at: datetime | None = None
    good: bool = True
    words: str = ""
    text: str = ""

    def to_json(self) -> list[Any]:
        return [self.version, self.at.isoformat() if self.at else None, int(self.good), self.words, self.text]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Applied:
        version, at, good, words, text = row
        return cls(str(version), parse_time(str(at)) if at else None, bool(good), str(words), str(text))


class Ledger(NamedTuple):
    """The history of one tool in one table, oldest first.

    locked: its lock is held. odd: how many rows could not be read.
    """

    tool: str
    table: str
    rows: tuple[Applied, ...]
    locked: bool = False
    odd: int = 0

    @property
    def known(self) -> Tool | None:
        bare = self.table.rpartition(".")[2].lower()
        rows = [tool for tool in TOOLS if tool.name == self.tool]
        return next((tool for tool in rows if tool.table == bare), rows[0] if rows else None)

    @property
    def head(self) -> str:
        """The newest version; several heads in one word."""
        if self.tool == "Alembic":
            return ", ".join(sorted(row.version for row in self.rows))
        return self.rows[-1].version if self.rows else ""

    @property
    def failed(self) -> list[Applied]:
        return [row for row in self.rows if not row.good]

    def to_json(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "table": self.table,
            "rows": [row.to_json() for row in self.rows],
            "locked": self.locked,
            "odd": self.odd,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Ledger:
        rows = tuple(Applied.from_json(row) for row in body["rows"])
        return cls(str(body["tool"]), str(body["table"]), rows, bool(body["locked"]), int(body["odd"]))


class Advance(NamedTuple):
    """How far a tool's history went beyond a revision. rows: applied since, oldest first; certain: whether it is
    known that these and no others were. before: the version that the revision left behind, "" where nobody knows.
    """

    ledger: Ledger
    rows: tuple[Applied, ...]
    certain: bool
    before: str = ""

    @property
    def undo(self) -> str:
        """The tool's own command back, with the newer revision's files; "" where it has none."""
        tool = self.ledger.known
        if tool is None or not tool.undo:
            return ""
        app = self.rows[-1].words if self.rows else "APP"
        target = self.before or "VERSION-OF-THE-OLD-REVISION"
        return tool.undo.format(target=target, count=max(len(self.rows), 1), app=app or "APP")

    @property
    def boot_words(self) -> str:
        """What the old binary says when it starts on this database, in the tool's own words."""
        tool = self.ledger.known
        return tool.says.format(version=self.ledger.head) if tool else ""


def advances(then: Iterable[Ledger] | None, now: Iterable[Ledger], since: datetime | None) -> list[Advance]:
    """What was applied after a revision.

    then: the ledgers photographed with it, None without a photograph. since: when something newer was first released.
    Without either, tools that keep no time tell nothing: their ledgers are not certain, with no rows.
    """
    found = []
    before = {(ledger.tool, ledger.table): ledger for ledger in then} if then is not None else None
    for ledger in now:
        if before is not None:
            old = before.get((ledger.tool, ledger.table))
            found.append(_compared(old, ledger))
        else:
            found.append(_timed(ledger, since))
    return [each for each in found if each.rows or not each.certain]


def _compared(old: Ledger | None, now: Ledger) -> Advance:
    known = {row.version + row.words for row in old.rows} if old else set()
    rows = tuple(row for row in now.rows if row.version + row.words not in known)
    return Advance(now, rows, certain=True, before=old.head if old else "")


def _timed(ledger: Ledger, since: datetime | None) -> Advance:
    tool = ledger.known
    if since is None or tool is None or not tool.at or any(row.at is None for row in ledger.rows if row.good):
        return Advance(ledger, (), certain=not ledger.rows)
    rows = tuple(row for row in ledger.rows if row.at and row.at >= since - SKEW)
    older = [row.version for row in ledger.rows if row not in rows]
    return Advance(ledger, rows, certain=True, before=older[-1] if older else "")
