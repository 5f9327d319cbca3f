"""Helm's release records in Secrets or ConfigMaps: listed with one call, decoded, removed under a condition."""

from __future__ import annotations

import re
from typing import NamedTuple

from helm_safe.core.objects import Gvk, Object, ObjectRef, dig, labels_of, mapping, name_of
from helm_safe.helm.parsing import Parser
from helm_safe.helm.payload import UndecodableError, decode
from helm_safe.model.errors import Conflict, NotFound
from helm_safe.model.revisions import BrokenRecord, History, Release, Revision
from helm_safe.model.snapshot import Resource
from helm_safe.ports import Cluster


class Driver(NamedTuple):
    """Where one of Helm's storage drivers keeps its records. layers: how often the payload is base64 encoded."""

    resource: Resource
    layers: int
    fields: str = ""


DRIVERS = {
    "secret": Driver(Resource(Gvk("", "v1", "Secret"), "secrets", namespaced=True), 2, "type=helm.sh/release.v1"),
    "configmap": Driver(Resource(Gvk("", "v1", "ConfigMap"), "configmaps", namespaced=True), 1),
}


class Storage:
    """The records of releases in the objects of one driver."""

    def __init__(self, cluster: Cluster, driver: Driver) -> None:
        self._cluster = cluster
        self._driver = driver

    def history(self, release: Release) -> History:
        """All revisions, oldest first; records that cannot be read are reported beside them.

        Raises NotFound where there is no record at all, ClusterError where the server does not answer.
        """
        found = self._list(release)
        if not found:
            raise NotFound(
                f"there is no release {release}",
                "`helm list -A` shows the releases; -n and --kube-context choose where to look.",
            )
        parser = Parser(release, self._cluster.served())
        read = [self._read(parser, release, obj) for obj in found]
        revisions = sorted((each for each in read if isinstance(each, Revision)), key=lambda each: each.number)
        broken = sorted((each for each in read if isinstance(each, BrokenRecord)), key=lambda each: each.record)
        return History(release, tuple(revisions), tuple(broken))

    def delete(self, release: Release, record: str, expect_status: str) -> None:
        """Remove one record, only while its status is still the expected one and nobody writes it.

        Gone already is fine. Raises Conflict where it is another record by now.
        """
        ref = ObjectRef("", self._driver.resource.gvk.kind, release.namespace, record)
        found = self._cluster.get(self._driver.resource, release.namespace, record)
        if found is None:
            return
        labels = labels_of(found)
        if (labels.get("owner"), labels.get("name")) != ("helm", release.name):
            raise Conflict(f"{ref} in {release.namespace} is no record of {release}", status=409)
        if labels.get("status") != expect_status:
            raise Conflict(
                f"{ref} has the status {labels.get('status')!r} by now, no longer {expect_status!r}",
                "Somebody else works on this release: look again with `helm safe-rollback history`.",
                status=409,
            )
        metadata = mapping(found, "metadata")
        uid, version = str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")
        # The uid survives every update by Helm; only the resourceVersion shows that nobody wrote since.
        self._cluster.delete(self._driver.resource, ref, uid=uid, resource_version=version)

    def _list(self, release: Release) -> list[Object]:
        labels = f"owner=helm,name={release.name}"
        driver = self._driver
        return self._cluster.list(driver.resource, release.namespace, labels=labels, fields=driver.fields).items

    def _read(self, parser: Parser, release: Release, obj: Object) -> Revision | BrokenRecord:
        record = name_of(obj)
        number = _number(record, labels_of(obj).get("version"))
        payload = dig(obj, "data", "release")
        if not isinstance(payload, str):
            return BrokenRecord(record, number, "the object holds no payload")
        try:
            revision = parser.revision(decode(payload, layers=self._driver.layers), record=record)
        except UndecodableError as error:
            return BrokenRecord(record, number, str(error))
        if record != record_name(release, revision.number):
            return BrokenRecord(record, number, f"its payload says revision {revision.number}, its name does not")
        return revision


def record_name(release: Release, number: int) -> str:
    """The name that Helm gives to the storage object of a revision."""
    return f"sh.helm.release.v1.{release.name}.v{number}"


def _number(record: str, label: str | None) -> int | None:
    found = re.search(r"\.v([0-9]{1,9})$", record) or re.fullmatch("([0-9]{1,9})", label or "")
    return int(found[1]) if found else None
