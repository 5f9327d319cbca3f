"""The names that helm-safe writes on objects and reads from them; the KRM function writes what the plugin reads."""

from __future__ import annotations

PREFIX = "helm-safe.dev/"
API_VERSION = "helm-safe.dev/v1alpha1"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "helm-safe"
RUN_LABEL = PREFIX + "run"
ROLE_LABEL = PREFIX + "role"
RELEASE_LABEL = PREFIX + "release"
STANDBY_LABEL = PREFIX + "standby"
FORMAT_LABEL = PREFIX + "format"

DEFAULTS = PREFIX + "defaults"
"""On a workload: the name of the RolloutDefaults that looked after it."""
EXEMPT = PREFIX + "exempt"
"""On an object: rules of RolloutPolicy that it may break, each with a reason."""
BOOT_TIME = PREFIX + "boot-time"
"""On a workload: how long a start of its containers may take, such as 90s."""

KEEP_POLICY = "helm.sh/resource-policy"
HOOK = "helm.sh/hook"
