"""Probes of state that does not travel back: one module each, and this table by the scheme of an address."""

from __future__ import annotations

PROBES: dict[str, str] = {
    "postgresql": "helm_safe.state.database:read",
    "mysql": "helm_safe.state.database:read",
    "mariadb": "helm_safe.state.database:read",
    "mssql": "helm_safe.state.database:read",
    "oracle": "helm_safe.state.database:read",
    "sqlite": "helm_safe.state.database:read",
    "redis": "helm_safe.state.redis:read",
    "rediss": "helm_safe.state.redis:read",
    "kafka": "helm_safe.state.kafka:read",
}
