"""Which dialect is spoken: the named one, or the first that is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from helm_safe.metrics.absence import Absent, Indistinct
from helm_safe.metrics.dialect import Dialect
from helm_safe.metrics.dialects import BUILTIN
from helm_safe.metrics.exposition import Point
from helm_safe.model.traffic import NoData
from helm_safe.registry import load

AUTO = "auto"
_ENOUGH = 20  # answers at the door: a few may be probes of whoever watches the gateway


class Choice:
    """Made once, so that two samples are of one dialect. Raises UsageError for a name that nobody knows."""

    def __init__(self, name: str) -> None:
        self._names = list(BUILTIN) if name == AUTO else [name]
        self._made: Dialect | None = None if name == AUTO else _loaded(name)
        self._came: float | None = None

    def made(
        self,
        counts: Callable[[Dialect], bool],
        nowhere: Callable[[Sequence[tuple[Dialect, Absent]]], Absent],
    ) -> Dialect:
        """The dialect: the first that counts one of the Services, else the first that is there.

        counts: whether a dialect counts one of them; raises Absent where it is not there. nowhere: makes the error for
        none being there out of what each one's absence said.
        """
        if self._made is None:
            self._made = _first([_loaded(name) for name in self._names], counts, nowhere)
        return self._made

    def see_that_services_are_counted(self, found: Iterable[tuple[str, Point]]) -> None:
        """Raise NoData where requests come in and no Service has a counter: the gateway was told not to count them.

        Only what came since the first look counts: counters of a Service go with its routes, those at the door stay.
        """
        dialect = self._made
        if dialect is None or dialect.door is None:
            return
        found, door = list(found), dialect.door
        came = sum(point.value for _, point in found if point.name == door.metric and door.of_user(point.labels))
        self._came = came if self._came is None else min(self._came, came)
        if came - self._came >= _ENOUGH and not any(
            point.name == dialect.requests and door.of_service(point.labels) for _, point in found
        ):
            raise NoData(f"{dialect.title} counts requests, but not by Service", door.remedy)


def _first(
    dialects: Sequence[Dialect],
    counts: Callable[[Dialect], bool],
    nowhere: Callable[[Sequence[tuple[Dialect, Absent]]], Absent],
) -> Dialect:
    there: list[Dialect] = []
    absent: list[tuple[Dialect, Absent]] = []
    indistinct: Indistinct | None = None
    for dialect in dialects:
        try:
            if counts(dialect):
                return dialect
            there.append(dialect)
        except Absent as error:
            absent.append((dialect, error))
        except Indistinct as error:
            indistinct = indistinct or error
    if indistinct:
        raise indistinct
    if there:
        return there[0]
    raise nowhere(absent)


def _loaded(name: str) -> Dialect:
    found: Dialect = load(name, BUILTIN, noun="gateway", group="helm_safe.dialects")
    return found
