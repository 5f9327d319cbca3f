"""The Releases port: Helm's storage read in Python, Helm's rollback run by its own binary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from helm_safe.helm.binary import HelmBinary, find_helm
from helm_safe.helm.flags import history_max, rollback_arguments
from helm_safe.helm.reading import BinaryStorage
from helm_safe.helm.storage import DRIVERS, Storage
from helm_safe.model.errors import UsageError
from helm_safe.model.revisions import History, Release
from helm_safe.model.settings import NativeOptions
from helm_safe.model.snapshot import HelmVersion
from helm_safe.ports import Check, Cluster, NativeResult

# What HELM_DRIVER may say, as Helm reads it.
NAMES = {
    "": "secret",
    "secret": "secret",
    "secrets": "secret",
    "configmap": "configmap",
    "configmaps": "configmap",
    "sql": "sql",
    "memory": "memory",
}
GRACE = 30.0  # seconds for Helm to write its records after the last hook's time is over


class HelmReleases:
    """Releases of one cluster. driver: the value of HELM_DRIVER. Raises UsageError for a driver that Helm lacks."""

    def __init__(self, cluster: Cluster, binary: HelmBinary, driver: str = "") -> None:
        name = driver_name(driver)
        self._cluster = cluster
        self._binary = binary
        self._objects = Storage(cluster, DRIVERS[name]) if name in DRIVERS else None
        self._told = BinaryStorage(binary, name)
        self._driver = name

    def fenced(self, check: Check) -> HelmReleases:
        return HelmReleases(self._cluster.fenced(check), replace(self._binary, check=check), self._driver)

    def version(self) -> HelmVersion:
        return self._binary.version

    def history(self, release: Release) -> History:
        """All revisions, oldest first. Raises NotFound when there is none, ClusterError without an answer."""
        if self._objects is not None:
            return self._objects.history(release)
        return self._told.history(release, self._cluster.served())

    def rollback(self, release: Release, revision: int, options: NativeOptions, *, timeout: float) -> NativeResult:
        """The native rollback, without waiting for health. timeout: seconds for each hook, and for the whole.

        Raises UsageError for flags that this Helm lacks, before anything is touched; OutcomeUnknown when helm still
        runs half a minute after `timeout`: it is left running.
        """
        if options.history_max:
            numbers = [each.number for each in self.history(release).revisions]
            options = replace(options, history_max=history_max(options.history_max, numbers, revision))
        arguments = rollback_arguments(release.name, revision, options, self._binary.version, timeout)
        return self._binary.act(release, arguments, timeout=timeout + GRACE)

    def delete_record(self, release: Release, record: str, expect_status: str) -> None:
        """Remove one stale record, only while its status is the expected one. Raises Conflict where it is not."""
        storage = self._objects if self._objects is not None else self._told
        storage.delete(release, record, expect_status)


def driver_name(value: str) -> str:
    """The driver that HELM_DRIVER names. Raises UsageError for one that Helm does not know."""
    name = NAMES.get(value)
    if name is None:
        raise UsageError(
            f"HELM_DRIVER={value} names no storage driver of Helm", f"Known: {', '.join(sorted(filter(None, NAMES)))}."
        )
    return name


def open_releases(cluster: Cluster, environ: Mapping[str, str]) -> HelmReleases:
    """The port, wired from Helm's environment (HELM_BIN, PATH, HELM_DRIVER)."""
    return HelmReleases(cluster, find_helm(environ), environ.get("HELM_DRIVER", ""))
