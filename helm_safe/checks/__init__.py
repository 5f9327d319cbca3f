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
    "API-REM-001": "helm_safe.checks.api_removed:CHECK",
    "DRY-001": "helm_safe.checks.dry_run_rejected:CHECK",
    "IMM-001": "helm_safe.checks.immutable_field:CHECK",
    "STS-IMM-001": "helm_safe.checks.statefulset_immutable:CHECK",
    "SSA-001": "helm_safe.checks.ssa_conflict:CHECK",
    "CLIENT-001": "helm_safe.checks.client_mismatch:CHECK",
    "CRD-DEL-001": "helm_safe.checks.deleted_objects:CRD",
    "NS-DEL-001": "helm_safe.checks.deleted_objects:NAMESPACE",
    "PVC-DEL-001": "helm_safe.checks.claim_deleted:CHECK",
    "STS-DEL-001": "helm_safe.checks.deleted_objects:STATEFULSET",
    "DEL-001": "helm_safe.checks.deleted_objects:OTHERS",
    "PVC-SHR-001": "helm_safe.checks.claim_shrunk:CHECK",
}
