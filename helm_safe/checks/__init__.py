"""Pre-checks: one module each, and this table; nothing is imported until it runs."""

from __future__ import annotations

CHECKS: dict[str, str] = {
    "HIST-001": "helm_safe.checks.target_never_applied:CHECK",
    "HIST-002": "helm_safe.checks.target_failed:CHECK",
    "HIST-003": "helm_safe.checks.release_pending:CHECK",
    "HIST-004": "helm_safe.checks.broken_records:CHECK",
    "HIST-005": "helm_safe.checks.history_pruning:CHECK",
    "HIST-006": "helm_safe.checks.two_deployed:CHECK",
    "HIST-007": "helm_safe.checks.nothing_to_do:CHECK",
    "LEFT-001": "helm_safe.checks.leftovers:CHECK",
}
