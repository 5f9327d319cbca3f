"""Where each program of the sandbox is: in a folder that the user named, or built when first needed."""

from __future__ import annotations

import os
from pathlib import Path

from helm_safe.sandbox import toolchain
from helm_safe.sandbox.builder import Builder
from helm_safe.sandbox.errors import Unsupported
from helm_safe.sandbox.pins import APART, CORE, PROGRAMS, WHEELS
from helm_safe.sandbox.progress import Say, quiet

BINARIES_VARIABLE = "HELM_SAFE_SANDBOX_BINARIES"


class Programs:
    """Finds programs by name, building or fetching them on the way.

    Args:
        binaries: a folder of existing programs; None means HELM_SAFE_SANDBOX_BINARIES, or else the build cache.
        say: is told one line at a time what is being built.

    """

    def __init__(self, binaries: Path | None = None, say: Say = quiet, builder: Builder | None = None) -> None:
        configured = os.environ.get(BINARIES_VARIABLE, "")
        self.binaries = binaries or (Path(configured) if configured else None)
        self._say = say
        self._builder = builder or Builder(say=say)
        if self.binaries:
            self._check(self.binaries)

    def ensure(self, name: str) -> Path:
        """The path of a program; raises Unsupported for an unknown name, SandboxError when a build fails."""
        if name not in PROGRAMS and name not in WHEELS and name not in APART:
            known = ", ".join(sorted({*PROGRAMS, *WHEELS, *APART}))
            raise Unsupported(f"The sandbox has no program called {name}.", f"It knows {known}.")
        given = self.binaries / name if self.binaries else None
        if given and _runnable(given):
            return given.resolve()
        if name in WHEELS:
            return toolchain.wheel_program(name, self._say)
        builder = self._builder_of(name)
        builder.ensure([name])
        return builder.path(name)

    def ensure_core(self) -> dict[str, Path]:
        """All that `up` needs, by name."""
        if not self.binaries:
            self._builder.ensure(CORE, crds=True)
        return {name: self.ensure(name) for name in (*CORE, "kubectl")}

    def ensure_crds(self) -> Path:
        """The folder of the Gateway API's definitions: `crds` in or beside the given folder, or the cache's."""
        return self._definitions("crds", self._builder)

    def ensure_definitions(self, name: str) -> Path:
        """Those of a program with a module of its own: `NAME-crds` in or beside the given folder, or the cache's."""
        return self._definitions(f"{name}-crds", self._builder_of(name))

    def _definitions(self, folder: str, builder: Builder) -> Path:
        places = [self.binaries / folder, self.binaries.parent / folder] if self.binaries else []
        given = next((place for place in places if place.is_dir()), None)
        if given:
            return given.resolve()
        builder.ensure((), crds=True)
        return builder.crds()

    def built(self, name: str) -> Path | None:
        """The path of a program that exists already, None when it would have to be built first."""
        given = self.binaries / name if self.binaries else None
        if given and _runnable(given):
            return given.resolve()
        builder = self._builder_of(name)
        return None if name in WHEELS or builder.missing([name]) else builder.path(name)

    def _builder_of(self, name: str) -> Builder:
        return Builder.apart(name, say=self._say) if name in APART else self._builder

    @staticmethod
    def _check(folder: Path) -> None:
        if not folder.is_dir():
            raise Unsupported(f"The folder of programs {folder} does not exist.", "Correct --binaries.")
        missing = [name for name in CORE if not _runnable(folder / name)]
        if missing:
            raise Unsupported(
                f"The folder {folder} lacks {', '.join(missing)} (or they may not be run).",
                "Add them under exactly these names, or leave --binaries out to have them built.",
            )


def _runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
