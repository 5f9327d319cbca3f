"""Writes that happen at most once: each verb's way to settle a lost answer by reading the object again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helm_safe.core.objects import Object, dig, mapping
from helm_safe.kube import settle
from helm_safe.kube.answers import Answer, Call, WriteUnknown
from helm_safe.kube.client import Client
from helm_safe.model.errors import Conflict, Invalid, Missing


def create(client: Client, call: Call, reading: Call | None) -> Object:
    """POST. A lost answer is settled by reading the object by its name; 409 Conflict when it is another's."""
    began = client.server_time()

    def settled(sent: Call) -> Answer | Call:
        if reading is None:
            raise _open(call, "the server chooses the name, so there is nothing to read again")
        live = _fetch(client, reading)
        if live is None:
            return sent
        if settle.created(mapping(call.body), live, began):
            return Answer(201, live)
        raise Conflict(
            f"Could not {call.what}: another object of that name is there.", status=409, reason="AlreadyExists"
        )

    return mapping(client.write(call, settled).value)


def patch(client: Client, call: Call, kind: str, reading: Call) -> Object:
    """PATCH. After a lost answer the object's content decides; sent again only bound to the version just read."""
    if not isinstance(call.body, list if kind == "json" else dict):
        raise Invalid("A JSON patch is a list of operations." if kind == "json" else "A patch is a mapping.")

    def settled(_sent: Call) -> Answer | Call:
        live = _fetch(client, reading)
        return _absent(call, kind) if live is None else _judged(call, kind, live)

    try:
        return mapping(client.write(call, settled).value)
    except Invalid as refused:
        # A JSON patch whose test fails is answered 422 with no reason given: the version tells a lost race.
        expected = settle.precondition(kind, call.body)
        if kind != "json" or not expected or refused.status != 422:
            raise
        live = mapping(client.read(reading).value)
        if dig(live, "metadata", "resourceVersion") == expected:
            raise
        raise _changed(call) from None


def _judged(call: Call, kind: str, live: Object) -> Answer | Call:
    version = str(dig(live, "metadata", "resourceVersion") or "")
    expected = settle.precondition(kind, call.body)
    if expected and version == expected:
        return call
    happened = settle.patched(kind, call.body, live)
    if happened:
        return Answer(200, live)
    if expected:
        raise _changed(call)
    if happened is None:
        raise _open(call, "its operations leave no trace that could be read again")
    return replace(call, body=settle.bound(kind, call.body, version))


def _changed(call: Call) -> Conflict:
    return Conflict(
        f"Could not {call.what}: the object changed meanwhile.",
        "Read it again and decide anew.",
        status=409,
        reason="Conflict",
    )


def delete(client: Client, call: Call, uid: str, reading: Call) -> bool:
    """DELETE. Gone, going, or another object under the name: it happened. False where it was gone before we asked."""
    began = client.server_time()
    doubted = False

    def settled(_sent: Call) -> Answer | Call:
        nonlocal doubted
        doubted = True
        live = _fetch(client, reading)
        if live is None or dig(live, "metadata", "deletionTimestamp") or _replaced(live, uid):
            return Answer(200, live)
        if not uid and not settle.older(live, began):
            raise _open(call, "an object of that name is there, perhaps a new one")
        return replace(call, body=_only(call.body, str(dig(live, "metadata", "uid") or "")))

    try:
        client.write(call, settled)
    except Missing:
        return doubted
    except Conflict:
        if uid and _replaced(_fetch(client, reading), uid):
            return doubted
        raise
    return True


def _fetch(client: Client, reading: Call) -> Object | None:
    try:
        return mapping(client.fetch(reading).value)
    except Missing:
        return None


def _absent(call: Call, kind: str) -> Call:
    """The object to patch is not there: an apply makes it, another patch lost it."""
    if kind == "apply":
        return call
    raise Missing(f"Could not {call.what}: the object is gone.", status=404, reason="NotFound")


def _replaced(live: Object | None, uid: str) -> bool:
    return live is None or bool(uid and dig(live, "metadata", "uid") != uid)


def _only(options: Any, uid: str) -> Object:
    return {**mapping(options), "preconditions": {"uid": uid}}


def _open(call: Call, why: str) -> WriteUnknown:
    return WriteUnknown(
        f"Whether the API server did {call.what} is not known: the answer was lost, and {why}.",
        f"Look with: {call.look}" if call.look else "",
    )
