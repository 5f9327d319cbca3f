"""Label and field selectors as strings, as a LIST takes them."""

from __future__ import annotations

import re

from helm_safe.core.objects import Object, dig, labels_of

_SET = re.compile(r"^\s*(?P<key>\S+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)\s*$")


def labels_match(selector: str, obj: Object) -> bool:
    labels = labels_of(obj)
    return all(_label_matches(term, labels) for term in _terms(selector))


def fields_match(selector: str, obj: Object) -> bool:
    for term in _terms(selector):
        path, negative, value = _equality(term)
        found = dig(obj, *path.split("."))
        if (("" if found is None else str(found)) == value) == negative:
            return False
    return True


def _terms(selector: str) -> list[str]:
    return [term for term in re.split(r",(?![^(]*\))", selector) if term.strip()]


def _label_matches(term: str, labels: dict[str, str]) -> bool:
    found = _SET.match(term)
    if found:
        values = {value.strip() for value in found["values"].split(",")}
        return (labels.get(found["key"]) in values) == (found["op"] == "in")
    if "=" in term:
        key, negative, value = _equality(term)
        return (labels.get(key) == value) != negative
    term = term.strip()
    return term[1:] not in labels if term.startswith("!") else term in labels


def _equality(term: str) -> tuple[str, bool, str]:
    negative = "!=" in term
    key, _, value = term.partition("!=" if negative else "==" if "==" in term else "=")
    return key.strip(), negative, value.strip()
