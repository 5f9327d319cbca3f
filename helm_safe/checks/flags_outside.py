"""CFG-006: feature flags and remote configuration do not go back with a release."""

from __future__ import annotations

import re
from collections.abc import Iterator

from helm_safe.checks.base import CONFIG_MAP, INFO, Check
from helm_safe.checks.doubles import environment
from helm_safe.checks.facts import workloads
from helm_safe.core.findings import Finding
from helm_safe.core.workloads import containers, images, pod_template
from helm_safe.model.snapshot import Snapshot

_SERVICES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("LaunchDarkly", r"(?:\w+_)?LAUNCHDARKLY_\w+|LD_(?:SDK|CLIENT_SIDE|MOBILE)_?(?:KEY|ID)\w*"),
        ("Unleash", r"(?:\w+_)?UNLEASH_\w+"),
        ("Flagsmith", r"(?:\w+_)?FLAGSMITH_\w+"),
        ("ConfigCat", r"(?:\w+_)?CONFIGCAT_\w+"),
        ("Split", r"SPLIT_(?:IO_)?(?:API_KEY|SDK_KEY|AUTH\w*)"),
        ("GrowthBook", r"(?:\w+_)?GROWTHBOOK_\w+"),
        ("Statsig", r"(?:\w+_)?STATSIG_\w+"),
        ("Optimizely", r"(?:\w+_)?OPTIMIZELY_\w+"),
        ("flagd / OpenFeature", r"FLAGD_\w+|OPENFEATURE_\w+"),
        ("Flipt", r"FLIPT_\w+"),
        ("Spring Cloud Config", r"SPRING_CLOUD_CONFIG_(?:URI|SERVER\w*)"),
        ("AWS AppConfig", r"(?:AWS_)?APPCONFIG_\w+"),
        ("Azure App Configuration", r"AZURE_APP_?CONFIG\w*"),
        ("Consul", r"CONSUL_HTTP_ADDR|SPRING_CLOUD_CONSUL_CONFIG_\w+"),
    )
)
_ANY = re.compile("|".join(f"(?:{pattern.pattern})" for _, pattern in _SERVICES))


def _run(snapshot: Snapshot) -> Iterator[Finding]:
    found: dict[str, list[str]] = {}
    for workload in workloads(snapshot.change.target, long_running=True):
        now = pod_template(snapshot.change.current.objects.get(workload.ref, {}))
        if images(now) == images(workload.template):
            continue
        for container in containers(workload.template):
            for setting in environment(snapshot, workload, container):
                if _ANY.fullmatch(setting.name) and not setting.off:
                    name = next(name for name, pattern in _SERVICES if pattern.fullmatch(setting.name))
                    found.setdefault(name, []).append(f"{workload.ref}: variable {setting.name} ({setting.source})")
    if found:
        yield _finding(snapshot, found)


def _finding(snapshot: Snapshot, found: dict[str, list[str]]) -> Finding:
    number = snapshot.change.target.number
    return Finding(
        CHECK.id,
        INFO,
        f"Flags of {' and '.join(found)} stay as they are now; some may be on for code that revision {number} does not"
        " have.",
        evidence=tuple(dict.fromkeys(each for where in found.values() for each in where))[:20],
        remediation=f"See which flags were changed since revision {number}, and set back those that its code needs.",
    )


CHECK = Check(
    "CFG-006",
    "Flags outside the release",
    INFO,
    "Pods whose image goes back ask a service of feature flags or remote configuration. What it says is not part of the"
    " release and does not go back with it.",
    "See which flags were changed since the target revision.",
    _run,
    needs=(CONFIG_MAP,),
)
