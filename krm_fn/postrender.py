"""After Helm rendered a chart: a Kustomize component over it, then a function, without forking the chart.

Helm 3 takes a program (`--post-renderer helm-safe-krm --post-renderer-args post-render …`), Helm 4 a plugin, whose
folder is shipped. What they store in the release is what comes out here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helm_safe.core.yamlio import dump
from krm_fn.errors import FOUND, InputError, KrmError, UsageError
from krm_fn.function import Function
from krm_fn.process import Outcome, process_stream
from krm_fn.resourcelist import read_stream

PLUGIN = Path(__file__).parent / "plugins" / "post-render"
"""The folder of the plugin for Helm 4: `helm plugin install` takes it."""
KUSTOMIZE = "HELM_SAFE_KUSTOMIZE"
"""The variable that names the program, where it is not `kustomize` on the PATH."""
TIMEOUT = 600.0
_FLAGS = ("--enable-alpha-plugins", "--enable-exec")


class BuildError(KrmError):
    """Kustomize failed, or left nothing of a chart that had objects."""

    exit_code = FOUND


def post_render(text: str, component: str, config: Any, functions: Sequence[Function]) -> Outcome:
    """The chart's objects with the component's patches, then with what the config's function does to them.

    component: folder of a kustomization of kind Component, "" for none. config: None for none. Raises KrmError.
    """
    if not read_stream(text).items:
        raise InputError("the chart rendered no object")
    if component:
        text = overlaid(text, Path(component))
        if not read_stream(text).items:
            raise BuildError(f"{component} leaves nothing of the chart: the release would be emptied")
    return Outcome(text) if config is None else process_stream(text, config, functions)


def overlaid(text: str, component: Path) -> str:
    """What Kustomize makes of the objects under a component. Nothing is written beside the component.

    Raises UsageError where there is none or no kustomize, BuildError where the build fails.
    """
    if not component.is_dir():
        raise UsageError(f"{component} is no folder; name the folder of a kustomization of kind Component")
    with TemporaryDirectory(prefix="helm-safe-") as made:
        folder = Path(made).resolve()
        relative = os.path.relpath(component.resolve(), folder)
        body = {"kind": "Kustomization", "resources": ["chart.yaml"], "components": [relative]}
        (folder / "kustomization.yaml").write_text(dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", **body}))
        (folder / "chart.yaml").write_text(text, encoding="utf-8")
        return _build(folder, component)


def _build(folder: Path, component: Path) -> str:
    program = os.environ.get(KUSTOMIZE) or "kustomize"
    try:
        done = subprocess.run(
            [program, "build", *_FLAGS, str(folder)], capture_output=True, timeout=TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise UsageError(f"{program} was not found: install kustomize, or name it in {KUSTOMIZE}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{program} could not build {component}: {error}") from None
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").replace(str(folder), "(the chart)").strip()
        raise BuildError(f"{program} could not build {component}: {told[-2000:]}")
    return done.stdout.decode()
