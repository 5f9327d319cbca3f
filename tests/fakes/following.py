"""Followed objects of a FakeCluster: always up to date, unless the cluster is told to be silent about them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from helm_safe.core.objects import Object
from helm_safe.model.errors import Stale
from helm_safe.model.snapshot import Resource
from helm_safe.ports import Keep

if TYPE_CHECKING:
    from tests.fakes.cluster import FakeCluster

STALE, LISTS_AFTER, LISTS_EVERY = 30.0, 60.0, 2.0


class FakeFollowing(AbstractContextManager["FakeFollowing"]):
    """helm_safe.ports.Following over the fake's own objects and its clock."""

    def __init__(self, cluster: FakeCluster, resource: Resource, where: tuple[str, str, str], keep: Keep) -> None:
        self._cluster, self._resource, self._where, self._keep = cluster, resource, where, keep
        self._by_lists = False
        self.refresh()
        cluster.followed.append(resource.plural)

    @property
    def refused(self) -> bool:
        return ("watch", self._resource.plural) in self._cluster.denied

    def age(self) -> float:
        if not self.refused and self._resource.plural not in self._cluster.silent:
            return 0.0
        return (self._cluster.clock() - self._heard).total_seconds()

    def items(self) -> list[Object]:
        age = self.age()
        if age > (LISTS_EVERY if self._by_lists or self.refused else LISTS_AFTER):
            self._by_lists = True
            self.refresh()
        elif age > STALE and not self._by_lists:
            raise Stale(f"the API server has told nothing new of {self._resource.plural} for {age:.0f} s")
        elif not age:
            self._by_lists = False
            self._look()
        return list(self._objects)

    def refresh(self) -> None:
        self._cluster.list(self._resource, self._where[0], labels=self._where[1], fields=self._where[2])
        self._heard = self._cluster.clock()
        self._look()

    def close(self) -> None:
        self._cluster.followed.remove(self._resource.plural)

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self) -> None:
        found = self._cluster.kept(self._resource, *self._where)
        kept = (self._keep(obj) for obj in found)
        self._objects = [obj for obj in kept if obj is not None]
