"""kubeconfig and Helm's environment: the connection that Helm would use, or a paragraph that names what is wrong."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helm_safe.core import yamlio
from helm_safe.core.proxies import proxy_for
from helm_safe.kube.config import Connection, connection
from helm_safe.model.errors import Unreachable

SECRET = "canary-5ecret-token"


def kubeconfig(folder: Path, name: str = "config", **changes: Any) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://prod.example.com:6443/"}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        **changes,
    }
    path = folder / name
    path.write_text(yamlio.dump(content))
    return path


def user(**fields: Any) -> dict[str, Any]:
    return {"users": [{"name": "u", "user": fields}]}


def connect(path: Path | str, **env: str) -> Connection:
    return connection({"KUBECONFIG": str(path), "PATH": os.environ["PATH"], "HOME": "/nonexistent", **env})


def test_the_current_context_is_used(tmp_path: Path) -> None:
    found = connect(kubeconfig(tmp_path))
    assert (found.server, found.namespace, found.context) == ("https://prod.example.com:6443", "shop", "prod")
    assert found.credentials().authorization == f"Bearer {SECRET}"


def test_secrets_do_not_show_in_representations(tmp_path: Path) -> None:
    found = connect(kubeconfig(tmp_path), HELM_KUBETOKEN=SECRET)
    assert SECRET not in repr(found)
    assert SECRET not in repr(found.credentials())


def test_helms_variables_overrule_the_file(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("PEM")
    found = connect(
        kubeconfig(tmp_path),
        HELM_NAMESPACE="other",
        HELM_KUBEAPISERVER="https://elsewhere:1",
        HELM_KUBETOKEN="given",
        HELM_KUBEASUSER="me",
        HELM_KUBEASGROUPS="g1,g2,g1,g2",
        HELM_KUBECAFILE=str(authority),
        HELM_KUBEINSECURE_SKIP_TLS_VERIFY="true",
        HELM_KUBETLS_SERVER_NAME="kubernetes",
    )
    assert (found.server, found.namespace, found.authority) == ("https://elsewhere:1", "other", b"PEM")
    assert found.credentials().authorization == "Bearer given"
    assert (found.insecure, found.server_name) == (True, "kubernetes")
    assert found.impersonation == (("Impersonate-User", "me"), ("Impersonate-Group", "g1"), ("Impersonate-Group", "g2"))


def test_false_and_empty_variables_change_nothing(tmp_path: Path) -> None:
    """Helm sets all of its variables for a plugin, most of them empty."""
    empty = dict.fromkeys(("HELM_KUBECONTEXT", "HELM_KUBEAPISERVER", "HELM_KUBETOKEN", "HELM_KUBEASGROUPS"), "")
    found = connect(kubeconfig(tmp_path), HELM_KUBEINSECURE_SKIP_TLS_VERIFY="false", **empty)
    assert (found.insecure, found.server, found.impersonation) == (False, "https://prod.example.com:6443", ())


def test_files_are_merged_and_the_first_wins(tmp_path: Path) -> None:
    first = kubeconfig(
        tmp_path, "first", contexts=[{"name": "dev", "context": {"cluster": "c", "user": "u"}}], users=[]
    )
    second = kubeconfig(tmp_path, "second", clusters=[{"name": "c", "cluster": {"server": "https://second"}}])
    both = os.pathsep.join([str(first), str(tmp_path / "missing"), str(second)])
    found = connect(both)
    assert (found.context, found.namespace) == ("prod", "shop")
    assert found.server == "https://prod.example.com:6443"
    assert connect(both, HELM_KUBECONTEXT="dev").namespace == "default"


def test_relative_paths_belong_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"AUTHORITY")
    (tmp_path / "token").write_text("from-file\n")
    cluster = {"server": "https://c", "certificate-authority": "ca.crt"}
    found = connect(kubeconfig(tmp_path, clusters=[{"name": "c", "cluster": cluster}], **user(tokenFile="token")))
    assert found.authority == b"AUTHORITY"
    assert found.credentials().authorization == "Bearer from-file"
    (tmp_path / "token").write_text("rotated")
    assert found.credentials().authorization == "Bearer rotated"


def test_basic_and_certificate_logins(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"PEM").decode()
    fields = {"client-certificate-data": encoded, "client-key-data": encoded}
    login = connect(kubeconfig(tmp_path, **user(username="me", password="pw", **fields))).credentials()
    assert login.authorization == "Basic " + base64.b64encode(b"me:pw").decode()
    assert (login.certificate, login.key) == (b"PEM", b"PEM")


def test_home_folder_is_the_default(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube")
    assert connection({"HOME": str(tmp_path)}).context == "prod"


@pytest.mark.parametrize(
    ("changes", "env", "names"),
    [
        ({}, {"HELM_KUBECONTEXT": "nope"}, ["nope", "prod"]),
        ({"current-context": ""}, {}, ["current context", "prod"]),
        ({"clusters": []}, {}, ['cluster "c"']),
        ({"users": []}, {}, ['user "u"']),
        ({"clusters": [{"name": "c", "cluster": {}}]}, {}, ["address"]),
        ({"clusters": [{"name": "c", "cluster": {"server": "ftp://x"}}]}, {}, ["ftp://x"]),
        ({"clusters": [{"name": "c", "cluster": {"server": "https://host:99999"}}]}, {}, ["99999"]),
        ({"clusters": [{"name": "c", "cluster": {"server": "https://u:p@host"}}]}, {}, ["without a user"]),
        ({"clusters": "no list"}, {}, ['cluster "c"']),
        ({"contexts": [{"name": "prod", "context": 7}]}, {}, ["cluster"]),
        ({"contexts": [None, 1, {}]}, {}, ["prod"]),
        ({}, {"HELM_KUBECAFILE": "/nonexistent/ca"}, ["/nonexistent/ca"]),
        ({}, {"HELM_KUBEASUSER": "a\nX-Evil: 1"}, ["line end"]),
    ],
)
def test_a_broken_kubeconfig_is_one_paragraph_and_a_next_step(
    tmp_path: Path, changes: Any, env: dict[str, str], names: list[str]
) -> None:
    with pytest.raises(Unreachable) as caught:
        connect(kubeconfig(tmp_path, **changes), **env)
    told = f"{caught.value.message} {caught.value.next_step}"
    assert all(name in told for name in names), told
    assert "\n" not in told
    assert caught.value.next_step
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["a: [", "just text", "\x00", "[1]", "a: &a [*a]", "[" * 50000, "\udcff"])
def test_unreadable_text_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Unreachable) as caught:
        connect(path)
    assert str(path) in caught.value.message


def test_missing_and_forbidden_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="No kubeconfig was found"):
        connect(tmp_path / "missing")
    with pytest.raises(Unreachable, match="Is a directory"):
        connect(tmp_path)


def test_data_that_is_no_base64_is_named(tmp_path: Path) -> None:
    found = connect(kubeconfig(tmp_path, **user(**{"client-key-data": "a"})))
    with pytest.raises(Unreachable, match="client-key-data"):
        found.credentials()


def test_in_a_pod_the_service_account_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("token", "pod-token"), ("ca.crt", "CA"), ("namespace", "shop\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("helm_safe.kube.config._IN_CLUSTER", tmp_path)
    pod = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = connect(tmp_path / "missing", **pod)
    assert (found.server, found.namespace, found.authority) == ("https://[fd00::1]:443", "shop", b"CA")
    assert found.credentials().authorization == "Bearer pod-token"
    # A kubeconfig that is there is preferred, as Helm does.
    assert connect(kubeconfig(tmp_path), **pod).context == "prod"


def plugin(folder: Path, script: str, **spec: Any) -> Path:
    program = folder / "login"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    exec_spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", **spec}
    return kubeconfig(folder, **user(exec=exec_spec))


ANSWER = """
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = "+".join([os.environ.get("EXTRA", ""), *sys.argv[1:], info["spec"].get("cluster", {}).get("server", "")])
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": {"token": token}}))
"""


def test_a_credential_plugin_gets_its_arguments_as_they_are(tmp_path: Path) -> None:
    """Never through a shell."""
    path = plugin(
        tmp_path, ANSWER, args=["$(id)", "; ls"], env=[{"name": "EXTRA", "value": "x"}], provideClusterInfo=True
    )
    assert connect(path).credentials().authorization == "Bearer x+$(id)+; ls+https://prod.example.com:6443"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"import sys; sys.stderr.write('\\x1b[2Jpassword={SECRET} no'); sys.exit(7)", "code 7"),
        ("print('not json')", "not JSON"),
        ("print('{}')", "version"),
        ('print(\'{"apiVersion": "client.authentication.k8s.io/v1"}\')', "neither a token"),
        ("import time; time.sleep(20)", "did not end"),
    ],
)
def test_a_failing_plugin_is_named_and_nothing_goes_out_anonymously(
    tmp_path: Path, script: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in script:
        monkeypatch.setattr("helm_safe.kube.credentials.PLUGIN_TIMEOUT", 0.3)
    found = connect(plugin(tmp_path, script, installHint="Install it from the shop."))
    with pytest.raises(Unreachable) as caught:
        found.credentials()
    assert "login" in caught.value.message
    assert why in caught.value.message
    assert caught.value.next_step == "Install it from the shop."
    assert SECRET not in caught.value.message
    assert "\x1b" not in caught.value.message


def test_a_plugin_that_is_not_installed_is_named(tmp_path: Path) -> None:
    found = connect(kubeconfig(tmp_path, **user(exec={"command": "no-such-login", "apiVersion": "v1"})))
    with pytest.raises(Unreachable, match="no-such-login"):
        found.credentials()


@pytest.mark.parametrize(
    ("preferences", "allowed"),
    [
        ({}, True),
        ({"credentialPluginPolicy": "AllowAll"}, True),
        ({"credentialPluginPolicy": "DenyAll"}, False),
        ({"credentialPluginPolicy": "Allowlist"}, False),
        ({"credentialPluginPolicy": "Allowlist", "credentialPluginAllowlist": [{}]}, False),
        ({"credentialPluginPolicy": "Allowlist", "credentialPluginAllowlist": [{"name": "other"}]}, False),
        ({"credentialPluginPolicy": "Allowlist", "credentialPluginAllowlist": [{"command": "HERE"}]}, True),
        ({"credentialPluginPolicy": "typo"}, False),
        ("[", False),
    ],
)
def test_the_users_plugin_policy_is_honoured(tmp_path: Path, preferences: Any, allowed: bool) -> None:
    path = plugin(tmp_path, ANSWER)
    text = preferences if isinstance(preferences, str) else yamlio.dump(preferences)
    (tmp_path / "kuberc").write_text(text.replace("HERE", str(tmp_path / "login")))
    found = connect(path, KUBERC=str(tmp_path / "kuberc"))
    if allowed:
        assert found.credentials().authorization
    else:
        with pytest.raises(Unreachable, match="kuberc"):
            found.credentials()


def test_an_old_oidc_login_goes_through_the_official_client(tmp_path: Path) -> None:
    """A token that has not expired is used as it is; nothing is left in the folder for temporary files."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 4102444800}).encode()).decode().rstrip("=")
    config = {"id-token": f"e30.{claims}.c2ln", "idp-issuer-url": "https://issuer.invalid", "client-id": "x"}
    found = connect(kubeconfig(tmp_path, **user(**{"auth-provider": {"name": "oidc", "config": config}})))
    assert found.credentials().authorization == f"Bearer e30.{claims}.c2ln"


def test_an_old_login_that_gives_nothing_is_named(tmp_path: Path) -> None:
    found = connect(kubeconfig(tmp_path, **user(**{"auth-provider": {"name": "azure", "config": {}}})))
    with pytest.raises(Unreachable, match="azure"):
        found.credentials()


@pytest.mark.parametrize(
    ("no_proxy", "server", "proxied"),
    [
        ("", "https://api.example.com", True),
        ("example.com", "https://api.example.com", False),
        (".example.com", "https://api.example.com:6443", False),
        ("api.example.com:1", "https://api.example.com:6443", True),
        ("other.com,*", "https://api.example.com", False),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("le.com", "https://api.example.com", True),
        ("", "https://127.0.0.1:6443", False),
        ("", "https://localhost", False),
    ],
)
def test_proxies_as_go_programs_take_them(no_proxy: str, server: str, proxied: bool) -> None:
    env = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": no_proxy}
    assert proxy_for(env, server) == ("http://proxy:3128" if proxied else "")


def test_the_big_client_is_not_loaded() -> None:
    """Importing `kubernetes` costs 0.7 s and 800 modules: only an old auth-provider login may do it."""
    script = "import sys, json, helm_safe.kube.cluster; print(json.dumps([m for m in sys.modules]))"
    modules = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    assert not {"kubernetes", "rich", "jinja2", "requests"} & set(modules)
