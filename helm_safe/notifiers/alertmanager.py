"""Alertmanager, API v2: an alert whose labels never change, sent to every replica."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from helm_safe.model.incident import Memory, Notice, NotSent, cut
from helm_safe.notifiers.http import Http
from helm_safe.notifiers.setup import Setup

LASTS = timedelta(hours=24)
"""How long an alert that nobody updates stays: longer than any run, and not for ever."""


class Alertmanager:
    def __init__(self, setup: Setup) -> None:
        headers = {"Authorization": f"Bearer {setup.key}"} if setup.key else {}
        self._replicas = [Http(setup, url, headers=headers) for url in setup.options["urls"]]
        self._labels = dict(setup.options.get("labels") or {})

    def opened(self, notice: Notice, memory: Memory) -> Memory:
        self._send(notice)
        return memory

    def updated(self, notice: Notice, memory: Memory) -> Memory:
        self._send(notice)
        return memory

    def closed(self, notice: Notice, memory: Memory) -> Memory:
        self._send(notice)
        return memory

    def _send(self, notice: Notice) -> None:
        """Replicas do not tell each other of alerts, so that each is told, and one that was not is said."""
        failed = []
        for replica in self._replicas:
            try:
                replica.send("POST", "/api/v2/alerts", [self._alert(notice)])
            except NotSent as error:
                failed.append(error.message)
        if failed:
            told = len(self._replicas) - len(failed)
            raise NotSent(f"{told} of {len(self._replicas)} replicas were told: {'; '.join(failed)}")

    def _alert(self, notice: Notice) -> dict[str, Any]:
        labels = {
            "alertname": "HelmSafeRollback",
            "severity": "warning",
            "cluster": notice.cluster,
            **self._labels,
            "namespace": notice.namespace,
            "release": notice.release,
            "incident": notice.key,
        }
        annotations = {
            "summary": cut(notice.title, 500),
            "description": cut(notice.text, 8000),
            "urgency": notice.state.urgency.value,
        }
        return {
            "labels": labels,
            "annotations": annotations,
            "startsAt": notice.began.isoformat(),
            "endsAt": (notice.at if notice.resolves else notice.at + LASTS).isoformat(),
        }
