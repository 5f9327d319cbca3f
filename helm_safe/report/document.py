"""One final document in the format that was asked for; stdout carries data and nothing else."""

from __future__ import annotations

import json
import sys
from typing import Any

from helm_safe.core import yamlio


def write_document(body: Any, output: str) -> None:
    """Print a JSON-like value as json or yaml."""
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n" if output == "json" else yamlio.dump(body)
    sys.stdout.write(text)
