"""Known secret values, taken out of whatever is about to leave memory; what merely looks like one is `redact`'s."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from helm_safe.core.objects import Object
from helm_safe.core.redact import secret_literals, spellings

LINE = 16
"""A line of a value that is so long is looked for by itself: logs put their times between the lines."""


class Masker:
    """Replaces the values of Secrets, in every spelling, by "***secret/NAME/KEY***".

    spared: words that are no secrets though a Secret holds them, such as the release's own name as a user's name.
    """

    def __init__(self, secrets: Iterable[Mapping[str, Any]] = (), spared: Collection[str] = ()) -> None:
        literals: dict[str, str] = {}
        for secret in secrets:
            for value, name in secret_literals(secret).items():
                for each in (value, *(line for line in value.splitlines() if len(line.strip()) >= LINE)):
                    literals.setdefault(each, name)
                    literals.setdefault(each.strip(), name)
                    literals.setdefault(json.dumps(each)[1:-1], name)
        known = {value: name for value, name in literals.items() if value and value not in spared}
        self._forms = [(form, f"***{name}***") for form, name in spellings(known)]

    def text(self, text: str) -> str:
        for form, mask in self._forms:
            if form in text:
                text = text.replace(form, mask)
        return text

    def strings(self, value: Any) -> Any:
        """A copy with every string inside it masked; keys stay."""
        return _mapped(value, self.text) if self._forms else value

    def object(self, obj: Object, *fields: str) -> Object:
        """A copy of an object with these fields masked."""
        return {**obj, **{field: self.strings(obj[field]) for field in fields if field in obj}}


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return value
