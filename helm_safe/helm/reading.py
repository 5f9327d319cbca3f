"""History through the binary, for the drivers whose storage is no API object: sql, and memory in tests.

`helm status` tells all of a revision but its chart; so `crds` stays empty here, and `history` gives the chart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from helm_safe.core.objects import dig
from helm_safe.helm.binary import HelmBinary
from helm_safe.helm.parsing import Parser, text
from helm_safe.helm.payload import UndecodableError
from helm_safe.model.errors import NotFound, Unreachable, UsageError
from helm_safe.model.revisions import BrokenRecord, History, Release, Revision
from helm_safe.model.snapshot import Served

ALL = str(10**6)
WORKERS = 4


class BinaryStorage:
    """The records as `helm history` and `helm status` tell them."""

    def __init__(self, binary: HelmBinary, driver: str) -> None:
        self._binary = binary
        self._driver = driver

    def history(self, release: Release, served: Served) -> History:
        """All revisions, oldest first. Raises NotFound, or Unreachable where helm cannot read its storage."""
        rows = self._call(release, ["history", release.name, "--max", ALL, "-o", "json"])
        listed = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        parser = Parser(release, served)
        with ThreadPoolExecutor(WORKERS) as pool:
            read = list(pool.map(lambda row: self._read(parser, release, row), listed))
        revisions = sorted((each for each in read if isinstance(each, Revision)), key=lambda each: each.number)
        broken = tuple(each for each in read if isinstance(each, BrokenRecord))
        return History(release, tuple(revisions), broken)

    def delete(self, release: Release, record: str, expect_status: str) -> None:  # noqa: ARG002 - the port's shape
        """Helm has no command that removes one record. Raises UsageError."""
        raise UsageError(
            f"a record of {release} should be removed, and the storage driver {self._driver} offers no way to do that",
            f"`helm rollback {release.name} DEPLOYED-REVISION -n {release.namespace} --no-hooks` makes it usable"
            f" again; or remove {record} where the driver keeps it.",
        )

    def _read(self, parser: Parser, release: Release, row: Mapping[str, Any]) -> Revision | BrokenRecord:
        number = row.get("revision")
        if not isinstance(number, int):
            return BrokenRecord("", None, "helm history lists a revision without a number")
        record = f"{release.name}.v{number}"
        body = self._call(release, ["status", release.name, "--revision", str(number), "-o", "json"])
        try:
            return parser.revision({**body, "chart": _chart(row)}, record=record)
        except UndecodableError as error:
            return BrokenRecord(record, number, str(error))

    def _call(self, release: Release, arguments: list[str]) -> Any:
        code, out, err = self._binary.read(release, arguments)
        if code and "release: not found" in err:
            raise NotFound(
                f"there is no release {release} in the storage of the driver {self._driver}",
                "`helm list -A` shows the releases; -n and --kube-context choose where to look.",
            )
        if code:
            raise Unreachable(f"helm {arguments[0]} failed: {err.strip()[-500:]}", "Try the same command by hand.")
        try:
            return json.loads(out)
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"helm {arguments[0]} did not answer in JSON", "Try the same command by hand.") from error


def _chart(row: Mapping[str, Any]) -> dict[str, Any]:
    """`helm history` writes name-version; the version begins at the last dash before a digit."""
    whole = text(dig(row, "chart"))
    parts = whole.split("-")
    start = next((index for index in range(1, len(parts)) if parts[index][:1].isdigit()), len(parts))
    return {
        "metadata": {
            "name": "-".join(parts[:start]),
            "version": "-".join(parts[start:]),
            "appVersion": text(row.get("app_version")),
        }
    }
