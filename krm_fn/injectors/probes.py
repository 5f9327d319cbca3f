"""Startup, readiness and liveness probes where a container has none.

Nothing is guessed that can kill a healthy pod. A startup or liveness probe, which kills, is added only with a handler
that the team wrote for this very container, an endpoint that the object itself declares, or (startup alone) the port
that a Service of the build sends requests to. A readiness probe, which does not kill, may also use the one port that
the container declares for serving. Where nothing of that is there, a finding says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from helm_safe.core.findings import Severity
from helm_safe.core.objects import Object, dig, mapping
from helm_safe.core.probes import HANDLERS, LIVENESS, READINESS, STARTUP, Stack, probe, stack_of, starved
from helm_safe.core.workloads import container_name, ports
from helm_safe.core.yamledit import NoPlace
from krm_fn.errors import UsageError
from krm_fn.function import Call
from krm_fn.injectors.handlers import Handlers, derive
from krm_fn.injectors.probe_schema import FIELDS, SCHEMA, TIMINGS
from krm_fn.items import Path
from krm_fn.pods import Workload
from krm_fn.selection import matches, selects_item

__all__ = ["SCHEMA", "inject"]

_UNKNOWN_STACK = (10, 30)
_READINESS = {"periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3}
_LIVENESS = {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6}
_STARTUP_TIMEOUT = 3
_STARVED_FACTOR = 2
_DEADLINE = 600  # Kubernetes' default of progressDeadlineSeconds


class _Target(NamedTuple):
    """One container that is looked after, with the rules that mean it and the handlers that can be derived for it."""

    workload: Workload
    path: Path
    container: Object
    stack: Stack | None
    rules: list[dict[str, Any]]
    handlers: Handlers
    asked: list[str]

    def rule(self, word: str) -> Any:
        """What the first rule that names this probe says: a probe, False for none of it, None for nothing."""
        return next((each[word] for each in self.rules if word in each), None)

    def starts_guarded(self) -> bool:
        """Whether a startup probe stands, or will: a liveness probe alone kills whoever starts slowly."""
        rule = self.rule("startup")
        refused = rule is False or (isinstance(rule, dict) and _unknown_port(self.container, rule) is not None)
        to_come = STARTUP not in self.container and "startup" in self.asked and not refused
        return to_come or any(mapping(self.container, STARTUP).get(name) for name in HANDLERS)


def inject(call: Call, workloads: list[Workload], settings: dict[str, Any]) -> None:
    """Add probes. Raises UsageError for a rule that no API server would take."""
    _check_rule(settings["times"], "spec.probes.times")
    for index, rule in enumerate(settings["rules"]):
        _check_rule(rule, f"spec.probes.rules[{index}]")
    for workload in workloads:
        for path, container in workload.own_containers:
            target = _target(workload, path, container, settings)
            for word, field in FIELDS.items():
                if word in target.asked and field not in container:
                    _probe(call, target, word, settings["times"].get(word, {}))


def _target(workload: Workload, path: Path, container: Object, settings: dict[str, Any]) -> _Target:
    stack = stack_of(container, workload.labels)
    rules = [each for each in settings["rules"] if _meant(each["select"], workload, container)]
    handlers = derive(workload, container, stack, settings)
    return _Target(workload, path, container, stack, rules, handlers, settings["add"])


def _check_rule(rule: dict[str, Any], where: str) -> None:
    for word in FIELDS:
        body = rule[word] if isinstance(rule.get(word), dict) else {}
        handlers = [name for name in HANDLERS if name in body]
        if len(handlers) > 1:
            raise UsageError(f"{where}.{word}: a probe has one handler, not {' and '.join(handlers)}")
        if word != "readiness" and body.get("successThreshold", 1) != 1:
            raise UsageError(f"{where}.{word}.successThreshold: must be 1 here")


def _meant(select: dict[str, Any], workload: Workload, container: Object) -> bool:
    return matches(select.get("containers"), container_name(container)) and selects_item(select, workload.item)


def _probe(call: Call, target: _Target, word: str, times: Object) -> None:
    """Add the probe of that word as the first rule that names it states it, else as it can be derived."""
    field = FIELDS[word]
    rule = target.rule(word)
    if rule is False:
        return
    body = dict(rule) if isinstance(rule, dict) else {}
    if not any(name in body for name in HANDLERS):
        handler = target.handlers.of(field)
        if handler is None or (field == LIVENESS and not target.starts_guarded()):
            _tell_missing(call, target, field)
            return
        body = {**handler, **body}
    elif not _port_known(call, target, field, body):
        return
    _add(call, target, field, _timed(field, body, target, times))


def _timed(field: str, body: Object, target: _Target, times: Object) -> Object:
    """The probe with the times that it does not state itself."""
    stated = {**times, **{name: body[name] for name in TIMINGS if name in body}}
    handler = {name: value for name, value in body.items() if name not in TIMINGS}
    defaults = _startup(target, stated) if field == STARTUP else _READINESS if field == READINESS else _LIVENESS
    return {**handler, **defaults, **stated}


def _startup(target: _Target, stated: Object) -> Object:
    """A budget at least as long as the stack needs, and as the liveness probe gave until now, whatever the period."""
    period, failures = target.stack.startup if target.stack else _UNKNOWN_STACK
    budget = float(period * failures * (_STARVED_FACTOR if starved(target.container) else 1))
    live = probe(target.container, LIVENESS)
    if live is not None:
        budget = max(budget, live.budget)
    period = stated.get("periodSeconds", period)
    return {"periodSeconds": period, "timeoutSeconds": _STARTUP_TIMEOUT, "failureThreshold": int(-(-budget // period))}


def _port_known(call: Call, target: _Target, field: str, body: Object) -> bool:
    """Whether the port that a rule names is declared by the container; if not, a finding says so."""
    port = _unknown_port(target.container, body)
    if port is None:
        return True
    known = ", ".join(name for name, _ in ports(target.container) if name) or "none"
    call.report(
        "PROBE-011",
        Severity.WARNING,
        f"The rule's port {port!r} is not declared by container {container_name(target.container)}"
        f" (named ports: {known}): no {field} was added.",
        item=target.workload.item,
        path=(*target.path, field),
        remediation="Name a declared port in the rule, or declare it in the container.",
    )
    return False


def _unknown_port(container: Object, body: Object) -> str | None:
    """The port name of a rule's handler that the container does not declare; a number needs no declaration."""
    kind = next((name for name in HANDLERS if name in body), "")
    port = dig(body, kind, "port")
    known = not isinstance(port, str) or port in {name for name, _ in ports(container)}
    return None if known else port


def _tell_missing(call: Call, target: _Target, field: str) -> None:
    """Only a missing readiness probe is worth a line; without a liveness probe nothing needs a startup probe."""
    if field == READINESS and target.handlers.reason:
        call.report(
            "PROBE-001",
            Severity.WARNING,
            f"Container {container_name(target.container)} has no readiness probe, and no safe one can be derived:"
            f" {target.handlers.reason}.",
            item=target.workload.item,
            path=(*target.path, field),
            remediation="State one in spec.probes.rules, or in the workload.",
        )


def _add(call: Call, target: _Target, field: str, body: Object) -> None:
    item = target.workload.item
    try:
        item.add((*target.path, field), body)
    except NoPlace:
        call.report(
            "KRM-003",
            Severity.WARNING,
            f"Container {container_name(target.container)} is shared through a YAML anchor: no {field} was added.",
            item=item,
            path=(*target.path, field),
            remediation="Write the container out, or add the probe where the anchor stands.",
        )
        return
    if field == STARTUP:
        _check_deadline(call, target, body)


def _check_deadline(call: Call, target: _Target, body: Object) -> None:
    if call.spec.get("rollout", {}).get("progressDeadline"):
        return  # it looks at all startup probes, and adds what they need
    item = target.workload.item
    deadline = mapping(item.data, "spec").get("progressDeadlineSeconds", _DEADLINE)
    budget = body["periodSeconds"] * body["failureThreshold"]
    if item.kind == "Deployment" and isinstance(deadline, int) and budget >= deadline:
        call.report(
            "PROBE-004",
            Severity.WARNING,
            f"The startup budget of {budget} s is not shorter than progressDeadlineSeconds ({deadline} s): a slow"
            " start counts as a failed rollout.",
            item=item,
            path=(*target.path, STARTUP),
            remediation=f"Set spec.progressDeadlineSeconds to {budget + 120} or more.",
        )
