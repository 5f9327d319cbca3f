"""The policy file, and how flags, policy, annotations and defaults become one value each, with its source."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, NamedTuple

from helm_safe.core.annotations import API_VERSION
from helm_safe.core.findings import Finding, Severity
from helm_safe.core.objects import Object, ObjectRef, mapping
from helm_safe.core.printable import printable
from helm_safe.model import warming
from helm_safe.model.errors import UsageError
from helm_safe.model.options import OPTIONS, Option, sections
from helm_safe.model.providers import lacking
from helm_safe.model.queries import Mistakes

KIND = "RollbackPolicy"
DEFAULT = "default"
MAX_PROBLEMS = 10
_TOP = ("apiVersion", "kind", "metadata", "spec")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[-+][0-9]{2}:[0-9]{2}))?")
_PRIVATE = re.compile(r"(://)[^/\s]*(?=@)|(?<=[?#]).+", re.DOTALL)
_WAIVER = ("id", "reason", "expires", "object")


class Setting(NamedTuple):
    """A value and where it comes from, in words: "--bake", "policy file p.yaml", "helm-safe.dev/bake on Deployment/api
    of revision 3", "default".
    """

    value: Any
    source: str


class Waiver(NamedTuple):
    """A finding that was accepted beforehand, until `expires`. object: "Deployment/api", "" for any."""

    check: str
    reason: str
    expires: datetime
    object: str = ""

    @property
    def last_day(self) -> str:
        """The day until whose end, or within which, it counts; `expires` itself is the first moment without it."""
        return f"{self.expires - timedelta(microseconds=1):%Y-%m-%d}"

    def covers(self, finding: Finding, now: datetime) -> bool:
        return self.check == finding.check and self.object in ("", finding.object) and now < self.expires


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid policy. source: the file or ConfigMap, for people. values: by key of the table, parsed."""

    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()

    def expired(self, now: datetime) -> list[str]:
        """A sentence for each waiver that no longer counts; the run says them."""
        return [
            f"the waiver of {waiver.check} in {self.source} expired on {waiver.last_day} ({waiver.reason})"
            for waiver in self.waivers
            if now >= waiver.expires
        ]


class Annotated(NamedTuple):
    """The settings that one revision's objects carry.

    values: annotation name -> (text, "Deployment/api"). differing: annotation name -> which objects disagree about it.
    """

    revision: int
    values: Mapping[str, tuple[str, str]]
    differing: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Resolved:
    """Every option of the table with its value and source."""

    settings: Mapping[str, Setting]

    def value(self, key: str) -> Any:
        return self.settings[key].value

    def below(self, section: str) -> dict[str, Any]:
        """The values of the options `SECTION.…`, by what follows in their keys."""
        start = f"{section}."
        return {key.removeprefix(start): each.value for key, each in self.settings.items() if key.startswith(start)}

    def chosen(self) -> dict[str, Setting]:
        """What is not a default, in the order of the table: what a plan shows."""
        return {key: setting for key, setting in self.settings.items() if setting.source != DEFAULT}

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Key -> value and source, plain JSON, for the journal of a run."""
        return {
            key: {"value": list(value) if isinstance(value, tuple) else value, "source": source}
            for key, (value, source) in self.settings.items()
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Resolved:
        """The inverse of to_json; a key that the journal lacks has its default, an unknown one is left out."""
        return cls({key: _setting(option, body.get(key)) for key, option in OPTIONS.items()})


def read_policy(document: Any, source: str, checks: Collection[str]) -> Policy:
    """Validate a decoded document.

    checks: the ids of all checks. Raises UsageError that lists every problem, unknown keys with the nearest known one.
    """
    reader = _Reader(checks)
    policy = reader.read(document, source)
    if reader.problems:
        shown = reader.problems[:MAX_PROBLEMS]
        more = len(reader.problems) - len(shown)
        told = "; ".join(shown) + (f"; and {more} more" if more else "")
        raise UsageError(
            f"{source} is not a valid policy: {told}",
            "docs/policy.md lists every key; editors check the file against the schema `policy.json`.",
        )
    return policy


def annotated(revision: int, objects: Mapping[ObjectRef, Object]) -> Annotated:
    """The options among the annotations of a revision's objects.

    Two objects that disagree cannot both be right: the option is left out, and told in `differing` unless it belongs to
    one workload (the path of warm-up requests).
    """
    known = {option.annotated: option for option in OPTIONS.values() if option.annotated}
    found: dict[str, tuple[str, str]] = {}
    differing: dict[str, str] = {}
    for ref in sorted(objects):
        for name, text in mapping(objects[ref], "metadata", "annotations").items():
            if name not in known or not isinstance(text, str):
                continue
            earlier, where = found.setdefault(name, (text, str(ref)))
            if earlier != text:
                differing.setdefault(name, f"{name} on {where} and on {ref} of revision {revision} differ")
    agreed = {name: value for name, value in found.items() if name not in differing}
    told = {name: words for name, words in differing.items() if not known[name].key.startswith("warm-up.")}
    return Annotated(revision, agreed, told)


def resolve(flags: Mapping[str, Any], policy: Policy | None, current: Annotated, target: Annotated) -> Resolved:
    """One value for every option: flags before policy before annotations of the current, then of the target revision.

    flags: by key of the table, as typed; absent where the user gave none. What decides which revisions are good has to
    be known before there is a target, so the target has no say in it. Raises UsageError naming the source of a value
    that cannot be read; a value that is overruled is not looked at.
    """
    revisions = {"known-good-after": (current,)}
    settings = {
        key: _settle(option, flags, policy, revisions.get(key, (current, target))) for key, option in OPTIONS.items()
    }
    provider = settings["metrics.provider"]
    if settings["metrics.url"].value and provider.source == DEFAULT:
        settings["metrics.provider"] = Setting("prometheus", settings["metrics.url"].source)
    resolved = Resolved(settings)
    missing = lacking(resolved.below("metrics"))
    if missing:
        source, chosen = settings["metrics.provider"].source, settings["metrics.provider"].value
        raise UsageError(f"{source} chooses the metrics of {chosen} without {', '.join(missing)}", _add(missing))
    warming.agrees(settings)
    return resolved


def _add(missing: Collection[str]) -> str:
    flag = ", or give --metrics URL" if "metrics.url" in missing else ""
    return f"Add {' and '.join(missing)} to the policy{flag}."


def _settle(option: Option, flags: Mapping[str, Any], policy: Policy | None, revisions: Iterable[Annotated]) -> Setting:
    if flags.get(option.key) is not None:
        return Setting(_parsed(option, flags[option.key], option.flag or option.key), option.flag or option.key)
    if policy is not None and option.key in policy.values:
        return Setting(policy.values[option.key], policy.source)
    for revision in revisions:
        if option.annotated in revision.differing:
            raise UsageError(
                revision.differing[option.annotated],
                f"Say which one counts with {option.flag or 'the policy file'}.",
            )
        if option.annotated in revision.values:
            text, where = revision.values[option.annotated]
            source = f"{option.annotated} on {where} of revision {revision.revision}"
            return Setting(_parsed(option, text, source), source)
    return Setting(option.default, DEFAULT)


def _setting(option: Option, body: Any) -> Setting:
    if body is None:
        return Setting(option.default, DEFAULT)
    value = body["value"]
    return Setting(tuple(value) if isinstance(value, list) else value, str(body["source"]))


def _parsed(option: Option, value: Any, source: str) -> Any:
    try:
        return option.parse(value)
    except ValueError as error:
        raise UsageError(f"{source}: {_shown(value)} cannot be used: {error}") from None


DEFAULTS = resolve({}, None, Annotated(0, {}), Annotated(0, {}))


class _Reader:
    """Collects every problem of one document, so that a person corrects them in one go."""

    def __init__(self, checks: Collection[str]) -> None:
        self._checks = checks
        self.problems: list[str] = []

    def read(self, document: Any, source: str) -> Policy:
        body = self._mapping(document, "the document")
        self._known(body, _TOP, "")
        for name, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
            if body.get(name) != wanted:
                self.problems.append(f"{name} must be {wanted}")
        spec = self._mapping(body.get("spec", {}), "spec")
        values = dict(self._values(spec, ""))
        severities = dict(self._severities(self._mapping(spec.get("severities", {}), "spec.severities")))
        waivers = tuple(self._waivers(spec.get("waivers", [])))
        return Policy(source, values, severities, waivers)

    def _values(self, body: Mapping[str, Any], inside: str) -> Iterator[tuple[str, Any]]:
        """The options below one mapping, nested ones included."""
        start = f"{inside}." if inside else ""
        deeper = [name for name in sections() if name.rpartition(".")[0] == inside]
        here = [key for key in OPTIONS if key.rpartition(".")[0] == inside]
        names = [name.rpartition(".")[2] for name in (*here, *deeper)]
        self._known(body, [*names, *(() if inside else ("severities", "waivers"))], f"spec.{start}")
        for key in here:
            name = key.rpartition(".")[2]
            if name in body:
                yield from self._value(OPTIONS[key], body[name])
        for section in deeper:
            name = section.rpartition(".")[2]
            if name in body:
                yield from self._values(self._mapping(body[name], f"spec.{section}"), section)

    def _value(self, option: Option, value: Any) -> Iterator[tuple[str, Any]]:
        try:
            yield option.key, option.parse(value)
        except Mistakes as each:
            self.problems += [f"spec.{option.key}{words}" for words in each.problems]
        except ValueError as error:
            self.problems.append(f"spec.{option.key}: {error}, not {_shown(value)}")

    def _severities(self, body: Mapping[str, Any]) -> Iterator[tuple[str, Severity]]:
        words = [severity.value for severity in Severity]
        for check, word in body.items():
            self._check(check, "spec.severities")
            if word in words:
                yield check, Severity(word)
            else:
                self.problems.append(f"spec.severities.{_shown(check)}: one of {', '.join(words)} is expected")

    def _waivers(self, body: Any) -> Iterator[Waiver]:
        if not isinstance(body, list):
            self.problems.append("spec.waivers must be a list")
            return
        for number, each in enumerate(body):
            where = f"spec.waivers[{number}]"
            entry = self._mapping(each, where)
            self._known(entry, _WAIVER, f"{where}.")
            yield Waiver(
                self._check(entry.get("id"), f"{where}.id"),
                self._words(entry.get("reason"), f"{where}.reason"),
                self._date(entry.get("expires"), f"{where}.expires"),
                self._words(entry["object"], f"{where}.object") if "object" in entry else "",
            )

    def _check(self, check: Any, where: str) -> str:
        if check in self._checks:
            return str(check)
        self.problems.append(f"{where}: there is no check {_shown(check)}{_near(check, self._checks)}")
        return ""

    def _words(self, value: Any, where: str) -> str:
        if isinstance(value, str) and value.strip() and len(value) <= 500:
            return printable(value.strip())
        self.problems.append(f"{where}: words are expected, at most 500 characters")
        return ""

    def _date(self, value: Any, where: str) -> datetime:
        """The moment from which a waiver no longer counts: a bare day counts until its end, UTC."""
        try:
            return _end_of(str(value))
        except (ValueError, OverflowError):
            self.problems.append(f"{where}: a day such as 2026-12-31 is expected, not {_shown(value)}")
            return datetime.min.replace(tzinfo=timezone.utc)

    def _mapping(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.problems.append(f"{where} must be a mapping")
            return {}
        return value

    def _known(self, body: Mapping[str, Any], known: Collection[str], where: str) -> None:
        for name in body:
            if name not in known:
                self.problems.append(f"{where}{_shown(name, quote=False)} is not known{_near(name, known)}")


def _end_of(text: str) -> datetime:
    """Raises ValueError or OverflowError for what is no date."""
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    found = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return found + timedelta(days=1) if len(text) == len("2026-12-31") else found


def _near(name: Any, known: Collection[str]) -> str:
    found = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return (
        f" (did you mean {found[0]}?)" if found else f" (known: {', '.join(sorted(known))})" if len(known) < 12 else ""
    )


def _shown(value: Any, *, quote: bool = True) -> str:
    """A value from outside in a message: short, harmless, without the password or token of an address."""
    text = _PRIVATE.sub(r"\1***", value if isinstance(value, str) else repr(value))
    text = printable(text)[:60]
    return repr(text) if quote and isinstance(value, str) else text
