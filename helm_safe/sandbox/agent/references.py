"""ConfigMaps and Secrets that a pod refers to: what is missing, and the environment that they make."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from helm_safe.core.objects import Object, dig, mapping, namespace_of, sequence
from helm_safe.sandbox.agent.api import NO_ANSWER, ApiError
from helm_safe.sandbox.agent.clock import Clock

_FRESH = 1.0
_FOLDERS = {"configmap": "configmaps", "secret": "secrets"}


class ReferenceApi(Protocol):
    async def get(self, path: str) -> Object: ...


class MissingReference(Exception):
    """Something that a pod cannot start without; the message is the kubelet's."""


class References:
    """Reads ConfigMaps and Secrets; for one second all pods share an answer. Values never leave the environment."""

    def __init__(self, api: ReferenceApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._answers: dict[str, tuple[float, asyncio.Task[Object | None]]] = {}

    async def mounted(self, pod: Mapping[str, Any]) -> None:
        """Raises MissingReference for the first volume that cannot be mounted."""
        for volume in sequence(pod, "spec", "volumes"):
            for kind, source, name_field in _sources(volume):
                try:
                    await self._check_volume(namespace_of(pod), kind, source, name_field)
                except MissingReference as error:
                    name = str(dig(volume, "name"))
                    raise MissingReference(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None

    async def environment(self, pod: Mapping[str, Any], container: Object) -> dict[str, str]:
        """The environment of a container; raises MissingReference."""
        env: dict[str, str] = {}
        for source in sequence(container, "envFrom"):
            prefix = str(dig(source, "prefix") or "")
            for kind, ref in (("configmap", dig(source, "configMapRef")), ("secret", dig(source, "secretRef"))):
                found = await self._object(namespace_of(pod), kind, ref, "name") if ref else None
                env |= {prefix + key: value for key, value in _values(kind, found).items()}
        for variable in sequence(container, "env"):
            value = await self._variable(pod, variable)
            if value is not None:
                env[str(dig(variable, "name"))] = value
        return env

    async def _variable(self, pod: Mapping[str, Any], variable: Any) -> str | None:
        for kind, field in (("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")):
            ref = dig(variable, "valueFrom", field)
            if ref:
                return await self._key(namespace_of(pod), kind, ref)
        value = dig(variable, "value")
        return value if isinstance(value, str) else None

    async def _key(self, namespace: str, kind: str, ref: Any) -> str | None:
        found = await self._object(namespace, kind, ref, "name")
        key, values = str(dig(ref, "key")), _values(kind, found)
        if key not in values and found is not None and dig(ref, "optional") is not True:
            title = "ConfigMap" if kind == "configmap" else "Secret"
            raise MissingReference(f"couldn't find key {key} in {title} {namespace}/{dig(ref, 'name')}")
        return values.get(key)

    async def _check_volume(self, namespace: str, kind: str, source: Any, name_field: str) -> None:
        found = await self._object(namespace, kind, source, name_field)
        keys = {**mapping(found, "data"), **mapping(found, "binaryData")}
        for item in sequence(source, "items"):
            if found is not None and dig(item, "key") not in keys and dig(source, "optional") is not True:
                raise MissingReference("references non-existent config key: " + str(dig(item, "key")))

    async def _object(self, namespace: str, kind: str, ref: Any, name_field: str) -> Object | None:
        """The object, or None where it is absent and optional; raises MissingReference."""
        name = str(dig(ref, name_field) or "")
        found = await self._read(f"/api/v1/namespaces/{namespace}/{_FOLDERS[kind]}/{name}") if name else None
        if found is None and dig(ref, "optional") is not True:
            raise MissingReference(f'{kind} "{name}" not found')
        return found

    async def _read(self, path: str) -> Object | None:
        at, task = self._answers.get(path, (float("-inf"), None))
        if task is None or self._clock.now() - at > _FRESH:
            self._forget()
            task = asyncio.create_task(self._fetch(path))
            self._answers[path] = (self._clock.now(), task)
        return await asyncio.shield(task)

    def _forget(self) -> None:
        now = self._clock.now()
        old = [path for path, (at, task) in self._answers.items() if task.done() and now - at > _FRESH]
        for path in old:
            del self._answers[path]

    async def _fetch(self, path: str) -> Object | None:
        try:
            return await self._api.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise MissingReference(f"failed to read {path.rpartition('/')[2]}: {error}") from error
        except NO_ANSWER as error:
            raise MissingReference(f"failed to read {path.rpartition('/')[2]}: {error}") from error


def _sources(volume: Any) -> Iterator[tuple[str, Any, str]]:
    """(kind, source, name of its name field) of a volume."""
    if dig(volume, "configMap") is not None:
        yield "configmap", dig(volume, "configMap"), "name"
    if dig(volume, "secret") is not None:
        yield "secret", dig(volume, "secret"), "secretName"
    for source in sequence(volume, "projected", "sources"):
        if dig(source, "configMap") is not None:
            yield "configmap", dig(source, "configMap"), "name"
        if dig(source, "secret") is not None:
            yield "secret", dig(source, "secret"), "name"


def _values(kind: str, found: Object | None) -> dict[str, str]:
    data = {str(key): value for key, value in mapping(found, "data").items() if isinstance(value, str)}
    return {key: _decoded(value) for key, value in data.items()} if kind == "secret" else data


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode(errors="replace")
    except binascii.Error:
        return ""
