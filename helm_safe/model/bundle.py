"""A Kustomize build as a Helm chart: nothing of it is templated again, and it tells where it came from. Pure."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import NamedTuple

from helm_safe.core.annotations import KEEP_POLICY, PREFIX
from helm_safe.core.objects import Object, annotations_of, gvk_of, mapping
from helm_safe.core.yamledit import Edits, NoPlace
from helm_safe.core.yamltext import Map, parse

RECORD_LIMIT = 1024 * 1024
"""Bytes of data that the API server lets one Secret or ConfigMap have; Helm keeps a release in one."""
_METADATA = 4096  # of the record beside chart and manifest

BUILD = "build.yaml"
TEMPLATE = f'{{{{ .Files.Get "{BUILD}" }}}}\n'
"""What `.Files.Get` returns is text to Helm: braces in it stay braces."""

COMMIT, OVERLAY, DIRTY = (f"{PREFIX}{name}" for name in ("commit", "overlay", "dirty"))
_KEPT = {("apiextensions.k8s.io", "CustomResourceDefinition"), ("", "Namespace")}


class Source(NamedTuple):
    """Where a build came from. overlay: its folder as seen from the root of the git repository, else its name.

    commit: "" outside of git. dirty: the folder holds what was not committed.
    """

    overlay: str
    commit: str = ""
    dirty: bool = False

    @property
    def words(self) -> str:
        at = f" at {self.commit[:12]}" if self.commit else ""
        return f"{self.overlay}{at}{' with uncommitted changes' if self.dirty else ''}"


def kept(text: str) -> str:
    """The build with a resource policy that keeps CustomResourceDefinitions and Namespaces when the release goes: with
    them would go everything that is in them. What a team wrote stays. Raises NoPlace where an anchor is in the way.
    """
    edits = Edits(text, sort=True)
    for document in parse(text, keys=True):
        if isinstance(document, Map) and gvk_of(document)[::2] in _KEPT and KEEP_POLICY not in annotations_of(document):
            _annotate(edits, document)
    return edits.apply()


def _annotate(edits: Edits, document: Map) -> None:
    metadata = document["metadata"]
    if isinstance(metadata.get("annotations"), Map):
        edits.add(metadata["annotations"], KEEP_POLICY, "keep")
    elif metadata.get("annotations") is None and "annotations" not in metadata:
        edits.add(metadata, "annotations", {KEEP_POLICY: "keep"})
    else:
        raise NoPlace("metadata.annotations")


def chart(name: str, text: str, source: Source) -> dict[str, str]:
    """File name -> content of a chart whose manifest is the build, to the letter."""
    built = f"g{source.commit[:12]}" if source.commit else ""
    metadata = {
        "apiVersion": "v2",
        "name": re.sub(r"[^a-z0-9-]+", "-", name).strip("-") or "build",
        "description": f"Kustomize build of {source.overlay}",
        "type": "application",
        "version": f"1.0.0+{built}{'.dirty' if source.dirty else ''}" if built else "1.0.0",
        "appVersion": f"{source.commit[:12]}{'-dirty' if source.dirty else ''}",
        "annotations": {COMMIT: source.commit, OVERLAY: source.overlay, DIRTY: str(source.dirty).lower()},
    }
    return {"Chart.yaml": json.dumps(metadata, indent=2) + "\n", "templates/build.yaml": TEMPLATE, BUILD: text}


def record_size(text: str) -> int:
    """About how many bytes Helm's record of the build has: it holds the build twice, in the chart and rendered."""
    twice = json.dumps({"manifest": text, "files": base64.b64encode(text.encode()).decode()}).encode()
    return len(base64.b64encode(gzip.compress(twice, 9))) + _METADATA


def secrets_of(objects: list[Object]) -> list[str]:
    """Names of Secrets whose content Helm's record will hold too."""
    return [str(mapping(each, "metadata").get("name")) for each in objects if gvk_of(each)[::2] == ("", "Secret")]
