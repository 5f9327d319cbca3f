"""All worlds: importing this package declares them."""

from importlib import import_module
from pathlib import Path

from tests.checks.world import CASES

for module in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    import_module(f"{__name__}.{module.stem}")

__all__ = ["CASES"]
