"""What a function is: a kind of config, a schema for it, and one callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from helm_safe.core.findings import Finding, Severity, Status
from helm_safe.core.objects import Object
from krm_fn.items import Item, Items, Path, path_text


class Result(NamedTuple):
    """A finding with the item that it is about, for the `results` of a ResourceList."""

    finding: Finding
    item: Item | None = None
    proposed: Any = None


class Call:
    """One run of a function: what it was asked (`spec`), what it works on (`items`), what it says (`results`).

    name: of the config. silent: set it where a good run must print no objects, as some `validators:` need it.
    """

    def __init__(self, spec: dict[str, Any], items: Items, name: str = "") -> None:
        self.spec = spec
        self.name = name
        self.silent = False
        self.items = items
        self.results: list[Result] = []
        self.created: list[Object] = []

    def report(
        self,
        check: str,
        severity: Severity,
        message: str,
        *,
        item: Item | None = None,
        path: Path = (),
        proposed: Any = None,
        remediation: str = "",
        waiver: str = "",
    ) -> None:
        """Say something. check: a permanent id. An `error` ends the run with exit code 1 and without output, unless a
        waiver lets it through: the reason why.
        """
        finding = Finding(check, severity, message, str(item or ""), path_text(path), remediation=remediation)
        if waiver:
            finding = finding._replace(status=Status.WAIVED, waiver=waiver)
        self.results.append(Result(finding, item, proposed))

    def create(self, obj: Object) -> None:
        """Add an object to the output."""
        self.created.append(obj)


class Function(NamedTuple):
    """A function. `run(call)` reads `call.spec`, which holds only what the schema allows, with its defaults filled in.

    summary: one line for --help. doc: Markdown for --doc. schema: of `spec`; see `krm_fn.schema`.
    group and versions: the API versions of its config. prepare: from the checked spec to the one whose absent fields
    get their defaults; what it returns is checked again.
    """

    kind: str
    run: Callable[[Call], None]
    schema: dict[str, Any]
    summary: str
    doc: str = ""
    group: str = "helm-safe.dev"
    versions: tuple[str, ...] = ("v1alpha1",)
    prepare: Callable[[dict[str, Any]], dict[str, Any]] | None = None
