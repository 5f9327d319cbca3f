"""The verdict matrix: every change on every database by every migration tool; `python -m tests.state.matrix` prints it.

What the schema then and now, and the histories alone, say about revision 1 is set beside what truly happens to its
queries. Ends non-zero when anything destructive is called safe or anything additive unsafe.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from sqlalchemy import Engine, create_engine, make_url

from helm_safe.checks import CHECKS
from helm_safe.core.findings import Status
from helm_safe.model.photograph import DatabaseState, Photograph, State
from helm_safe.model.verdict import judge
from helm_safe.registry import resolve
from helm_safe.state.database import read
from tests.checks.world import deployment, world
from tests.state import changes, servers, tools

DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql", "sqlite": "sqlite"}
ASKED = ("DB-CONTRACT-001", "DB-INCOMPAT-001", "DB-RESTRICT-001", "DB-SEMANTIC-001", "DB-UNK-001", "STATE-001")


class Outcome(NamedTuple):
    """One cell. exact, history: what is said with a snapshot of then, and by the histories alone: "safe", "unsafe" or
    "unverified". truth: what revision 1's queries meet, "" where they work. ahead: whether the history shows that
    something ran, None for tools that keep no times.
    """

    database: str
    tool: str
    change: str
    kind: str
    exact: str
    history: str
    truth: str
    named: bool

    @property
    def right(self) -> bool:
        said = (self.exact, self.history)
        wrong = "safe" if self.truth else "unsafe"
        return wrong not in said and self.exact != "unverified"


def play(kinds: tuple[str, ...], wanted: tuple[str, ...], sample: int = 1) -> Iterator[Outcome]:
    """Every case whose tool can be had here; sample: every so many-th change of each tool, not the same ones."""
    for kind in kinds:
        with servers.database(kind) as address:
            engine = create_engine(make_url(address).set(drivername=DRIVERS[kind]))
            for order, tool in enumerate(
                each for each in tools.TOOLS if each.name in wanted and kind in each.databases
            ):
                if not tool.at_hand():
                    continue
                for number, change in enumerate(changes.CHANGES):
                    if change.statements(kind) and number % sample == order % sample:
                        yield _case(kind, address, engine, tool, change)
            engine.dispose()


def _case(kind: str, address: str, engine: Engine, tool: tools.Tool, change: changes.Change) -> Outcome:
    changes.clean(engine)
    with tool.project(address, kind) as project:
        project.run(changes.BASE)
        then = _read(address)
        project.run(change.statements(kind))
        now = _read(address)
    exact, named = _said(then, now)
    alone, _ = _said(None, now)
    truth = changes.truth(engine)
    changes.clean(engine)
    return Outcome(kind, tool.name, change.name, change.kind, exact, alone, truth, named)


def _read(address: str) -> DatabaseState:
    return read(address, lambda host, port: (host, port), lambda: datetime.now(timezone.utc))


def _said(then: DatabaseState | None, now: DatabaseState) -> tuple[str, bool]:
    """What the checks and the verdict say, and whether the tool was recognised."""
    moment = datetime.now(timezone.utc)
    before = Photograph(moment, 1, "", then) if then else None
    state = State(frozenset({"database"}), Photograph(moment, 2, "", now), before)
    snapshot = world([deployment()], [deployment(replicas=3)]).snapshot(state=state, now=moment)
    released = moment - timedelta(seconds=1)
    for revision in snapshot.history.revisions:
        object.__setattr__(revision, "deployed_at", released)
    found = [finding for check in ASKED for finding in resolve(CHECKS[check]).run(snapshot)]
    if judge(found, release="shop", current=2, target=1).advice.value != "roll back":
        return "unsafe", bool(now.ledgers)
    doubts = [each for each in found if each.status is Status.UNVERIFIED or each.check == "DB-UNK-001"]
    return ("unverified" if doubts else "safe"), bool(now.ledgers)


def main() -> int:
    every = tuple(tool.name for tool in tools.TOOLS)
    missing = [tool.name for tool in tools.TOOLS if not tool.at_hand()]
    outcomes = []
    print(f"{'database':<11}{'tool':<16}{'change':<42}{'with snapshot':<15}{'history alone':<15}revision 1's queries")
    for each in play(("postgresql", "mariadb", "sqlite"), every):
        outcomes.append(each)
        mark = "" if each.right else "   <-- WRONG"
        truth = each.truth[:60] or "work"
        print(
            f"{each.database:<11}{each.tool:<16}{each.change:<42}{each.exact:<15}{each.history:<15}{truth}{mark}",
            flush=True,
        )
    broken = [each for each in outcomes if each.truth]
    fine = [each for each in outcomes if not each.truth]
    for name in ("exact", "history"):
        wrong_safe = sum(getattr(each, name) == "safe" for each in broken)
        wrong_unsafe = sum(getattr(each, name) == "unsafe" for each in fine)
        counted = Counter(getattr(each, name) for each in outcomes)
        print(
            f"{'with a snapshot' if name == 'exact' else 'histories alone'}: {len(outcomes)} cases,"
            f" breaking called safe {wrong_safe}, harmless called unsafe {wrong_unsafe},"
            f" unverified {counted['unverified']}"
        )
    if missing:
        print(f"not run for real here, their programs are missing: {', '.join(missing)}")
    return 0 if outcomes and all(each.right for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
