"""From the policy's notifiers to their adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from helm_safe.model.incident import Notifier
from helm_safe.model.settings import Settings
from helm_safe.ports import Clock, Cluster
from helm_safe.rollback.context import Notifiers


def openers(cluster: Callable[[], Cluster], clock: Clock, env: Mapping[str, str]) -> Notifiers:
    """See `rollback.context.Notifiers`. cluster: asked only where a secret is one of the cluster's."""

    def of(settings: Settings, namespace: str, show: Callable[[str], None]) -> Mapping[str, Callable[[], Notifier]]:
        def opened(entry: Mapping[str, Any]) -> Notifier:
            return _opened(entry, namespace, show, dry=settings.notify_dry_run)

        return {entry["name"]: partial(opened, entry) for entry in settings.resolved.value("notifiers")}

    def _opened(entry: Mapping[str, Any], namespace: str, show: Callable[[str], None], *, dry: bool) -> Notifier:
        from helm_safe.notifiers import NOTIFIERS
        from helm_safe.notifiers.setup import Setup, credential
        from helm_safe.registry import load

        secret = credential(entry.get("secret"), env, cluster, namespace)
        made = load(entry["type"], NOTIFIERS, noun="notifier")
        found: Notifier = made(Setup(entry["name"], entry, secret, clock, env, show, dry))
        return found

    return of
