"""Copies of what the target's pods need and the cluster does not have as the target's manifest says.

ConfigMaps and Secrets come back only with the native rollback, and it changes them in place under the live pods: until
then the standby's pods read copies. Values of Secrets come from the release's own record and go only into the copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from helm_safe.core.objects import Object, ObjectRef, annotations_of, dig, mapping, sequence
from helm_safe.core.redact import hash_secret
from helm_safe.core.references import Role, references_of
from helm_safe.core.workloads import pod_template
from helm_safe.model.changes import Change
from helm_safe.model.own import CannotStandBy, Owner
from helm_safe.model.staging import short

RBAC = "rbac.authorization.k8s.io"
_CONFIG = ("ConfigMap", "Secret")
_SHOWN = 5
# Annotations that say whose an object is, or publish it: a copy is neither theirs nor to be published.
_NOT_COPIED = (
    "meta.helm.sh/",
    "helm.sh/",
    "kubectl.kubernetes.io/",
    "helm-safe.dev/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "external-dns.alpha.kubernetes.io/",
    "getambassador.io/",
    "service.beta.kubernetes.io/",
)

# Annotations that tie a ServiceAccount to an identity outside the cluster, which is granted to its name.
_CLOUD_ROLES = ("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id")

Names = dict[tuple[str, str], str]


class Copies(NamedTuple):
    """config, accounts: copies by the reference of their original. names: (kind, name) -> the name of the copy."""

    config: dict[ObjectRef, Object]
    accounts: dict[ObjectRef, Object]
    names: Names


def copies_for(
    workloads: tuple[ObjectRef, ...], change: Change, live: Mapping[ObjectRef, Object], owner: Owner
) -> Copies:
    """All copies for the standbys of these workloads, each once, in the order in which they can be made.

    Raises CannotStandBy where a copy would lack what the pods need.
    """
    world = _World(change, live, owner)
    accounts = {ref: world.account(ref) for ref in sorted(_accounts(workloads, change, live))}
    wanted = {ref for workload in workloads for ref in _config(workload, change)}
    wanted |= {ref for account in accounts for ref in _pulled(account, change)}
    config = {ref: world.config(ref) for ref in sorted(wanted) if world.differs(ref)}
    names: Names = {(ref.kind, ref.name): short(ref.name) for ref in (*config, *accounts)}
    for account in accounts.values():
        for secret in sequence(account, "imagePullSecrets"):
            name = str(dig(secret, "name"))
            if ("Secret", name) in names:
                secret["name"] = names["Secret", name]
    accounts.update(world.rights(sorted(_used_accounts(workloads, change)), frozenset(accounts)))
    return Copies(config, _roles_before_bindings(accounts), names)


def kept_annotations(obj: Object) -> dict[str, str]:
    """The annotations of an object that its copy may carry."""
    return {key: value for key, value in annotations_of(obj).items() if not str(key).startswith(_NOT_COPIED)}


def _config(workload: ObjectRef, change: Change) -> Iterator[ObjectRef]:
    for used in references_of(pod_template(change.target.objects[workload])):
        ref = ObjectRef("", used.kind, workload.namespace, used.name)
        if used.kind in _CONFIG and ref in change.target.objects:
            yield ref


def _pulled(account: ObjectRef, change: Change) -> Iterator[ObjectRef]:
    """The pull Secrets of a ServiceAccount that the target brings along."""
    for name in _pull_names(change.target.objects[account]):
        ref = ObjectRef("", "Secret", account.namespace, name)
        if ref in change.target.objects:
            yield ref


def _used_accounts(workloads: tuple[ObjectRef, ...], change: Change) -> set[ObjectRef]:
    """The ServiceAccounts under which the pods run, those that the target does not bring included."""
    return {
        ObjectRef("", "ServiceAccount", workload.namespace, used.name)
        for workload in workloads
        for used in references_of(pod_template(change.target.objects[workload]))
        if used.role is Role.ACCOUNT
    }


def _accounts(
    workloads: tuple[ObjectRef, ...], change: Change, live: Mapping[ObjectRef, Object]
) -> Iterator[ObjectRef]:
    """ServiceAccounts of the target that are missing, or that give pods other things than they will."""
    for ref in _used_accounts(workloads, change):
        made = change.target.objects.get(ref)
        if made is not None and (ref not in live or not _gives_the_same(made, live[ref])):
            yield ref


def _gives_the_same(account: Object, live: Object) -> bool:
    """Whether pods get from the live ServiceAccount all that the target's gives them."""
    if any(annotations_of(live).get(key) != value for key, value in kept_annotations(account).items()):
        return False
    mounted = [each.get("automountServiceAccountToken") is not False for each in (account, live)]
    return mounted[0] == mounted[1] and _pull_names(account) <= _pull_names(live)


def _pull_names(account: Object) -> set[str]:
    return {str(dig(secret, "name")) for secret in sequence(account, "imagePullSecrets")}


class _World(NamedTuple):
    change: Change
    live: Mapping[ObjectRef, Object]
    owner: Owner

    def made(self, ref: ObjectRef) -> Object:
        return self.change.target.objects[ref]

    def differs(self, ref: ObjectRef) -> bool:
        """Whether pods would read something else from the live object than after the rollback."""
        live = self.live.get(ref)
        return live is None or _values(live) != {**self.extras(ref), **_values(hash_secret(self.made(ref)))}

    def extras(self, ref: ObjectRef) -> dict[tuple[str, str], Any]:
        """Keys that no manifest has: somebody put them there, and a rollback leaves them alone."""
        before = self.change.current.objects.get(ref, {})
        known = _values(hash_secret(before)).keys() | _values(hash_secret(self.made(ref))).keys()
        return {key: value for key, value in _values(self.live.get(ref, {})).items() if key not in known}

    def config(self, ref: ObjectRef) -> Object:
        source, extras = self.made(ref), self.extras(ref)
        fields = ("data", "binaryData", "stringData", "type")
        body = {field: deepcopy(source[field]) for field in fields if source.get(field)}
        if extras and ref.kind == "Secret":
            keys = ", ".join(sorted(key for _, key in extras)[:_SHOWN])
            raise CannotStandBy(f"{ref} differs from the target's and holds keys that no manifest has ({keys})")
        for (field, key), value in extras.items():
            body.setdefault(field, {})[key] = value
        return self.owner.make("v1", ref.kind, ref.namespace, short(ref.name), **body)

    def account(self, ref: ObjectRef) -> Object:
        source = self.made(ref)
        annotations = kept_annotations(source)
        if any(key in annotations for key in _CLOUD_ROLES):
            raise CannotStandBy(f"{ref} of the target is not there as it should be, and a cloud role goes by its name")
        fields = ("imagePullSecrets", "automountServiceAccountToken")
        body = {field: deepcopy(source[field]) for field in fields if field in source}
        copy = self.owner.make("v1", ref.kind, ref.namespace, short(ref.name), **body)
        if annotations:
            copy["metadata"]["annotations"] = annotations
        return copy

    def rights(self, accounts: list[ObjectRef], copied: frozenset[ObjectRef]) -> dict[ObjectRef, Object]:
        """Copies of the target's bindings for these accounts, and of the Roles that they name, where needed."""
        found: dict[ObjectRef, Object] = {}
        for ref, binding in sorted(self.change.target.objects.items()):
            named = [each for each in accounts if ref.group == RBAC and _names_account(binding, each)]
            if ref.kind == "ClusterRoleBinding" and copied & set(named):
                raise CannotStandBy(
                    f"{named[0]} of the target is not there as it should be, and {ref} gives it rights in the whole"
                    " cluster, which a copy would not have"
                )
            if ref.kind == "RoleBinding":
                found.update(self._binding(ref, binding, named, copied))
        return found

    def _binding(
        self, ref: ObjectRef, binding: Object, accounts: list[ObjectRef], copied: frozenset[ObjectRef]
    ) -> Iterator[tuple[ObjectRef, Object]]:
        aim = {key: str(value) for key, value in mapping(binding, "roleRef").items()}
        role = ObjectRef(RBAC, "Role", ref.namespace, aim.get("name", ""))
        other_role = aim.get("kind") == "Role" and role in self.change.target.objects and self._other_rules(role)
        needing = [each for each in accounts if each in copied or other_role or self._other_binding(ref, each)]
        if needing and other_role:
            rules = deepcopy(self.made(role).get("rules"))
            yield role, self.owner.make(f"{RBAC}/v1", "Role", role.namespace, short(role.name), rules=rules)
            aim["name"] = short(role.name)
        if needing:
            subjects = [_subject(each, copied) for each in needing]
            name = short(ref.name)
            yield (
                ref,
                self.owner.make(f"{RBAC}/v1", "RoleBinding", ref.namespace, name, roleRef=aim, subjects=subjects),
            )

    def _other_rules(self, role: ObjectRef) -> bool:
        return role not in self.live or self.live[role].get("rules") != self.made(role).get("rules")

    def _other_binding(self, ref: ObjectRef, account: ObjectRef) -> bool:
        """Whether the live binding gives the account something else, or nothing."""
        live = self.live.get(ref)
        if live is None or not _names_account(live, account):
            return True
        return any(dig(live, "roleRef", key) != dig(self.made(ref), "roleRef", key) for key in ("kind", "name"))


def _subject(account: ObjectRef, copied: frozenset[ObjectRef]) -> dict[str, str]:
    name = short(account.name) if account in copied else account.name
    return {"kind": "ServiceAccount", "name": name, "namespace": account.namespace}


def _names_account(binding: Object, account: ObjectRef) -> bool:
    return any(
        dig(subject, "kind") == "ServiceAccount"
        and dig(subject, "name") == account.name
        and (dig(subject, "namespace") or account.namespace) == account.namespace
        for subject in sequence(binding, "subjects")
    )


def _values(obj: Object) -> dict[tuple[str, str], Any]:
    """(field, key) -> value of a ConfigMap, or of a Secret whose values are hashes, as those of a snapshot are."""
    return {(field, str(key)): value for field in ("data", "binaryData") for key, value in mapping(obj, field).items()}


def _roles_before_bindings(copies: dict[ObjectRef, Object]) -> dict[ObjectRef, Object]:
    kinds = ("ServiceAccount", "Role", "RoleBinding")
    return {ref: copies[ref] for kind in kinds for ref in sorted(copies) if ref.kind == kind}
