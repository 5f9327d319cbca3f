"""TLS with client certificates whose keys never lie in a file that outlives the process."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from helm_safe.core import yamlio
from helm_safe.kube import transport
from helm_safe.kube.client import Client
from helm_safe.kube.cluster import KubeCluster
from helm_safe.kube.config import Connection
from helm_safe.kube.credentials import Credentials
from helm_safe.model.errors import Unreachable
from tests.fakes.cluster import resource

TLS = Path(__file__).parent / "tls"
CERTIFICATE, KEY = (TLS / "certificate.pem").read_bytes(), (TLS / "key.pem").read_bytes()
MAPS = resource("v1", "ConfigMap", "configmaps")
linux_only = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memfd is Linux's")


@pytest.fixture
def server() -> Iterator[str]:
    """Speaks TLS only to clients that present the certificate; answers with what it saw of them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen = {"metadata": {"name": "seen"}, "headers": {k: self.headers.get_all(k) for k in set(self.headers)}}
            body = json.dumps(seen).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    context.load_verify_locations(TLS / "certificate.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def cluster(server: str, login: Credentials, **settings: object) -> KubeCluster:
    settings = {"authority": CERTIFICATE, **settings}
    connection = Connection(server, "default", "test", "the test", lambda: login, **settings)  # type: ignore[arg-type]
    return KubeCluster(Client(connection, sleep=lambda _: None))


def test_mutual_tls_and_impersonation(server: str) -> None:
    groups = (("Impersonate-User", "me"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b"))
    seen = cluster(server, Credentials("Bearer t", CERTIFICATE, KEY), impersonation=groups).get(MAPS, "default", "seen")
    assert seen is not None
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["authorization"] == ["Bearer t"]
    assert headers["impersonate-group"] == ["a", "b"]


def test_without_the_certificate_there_is_no_answer(server: str) -> None:
    with pytest.raises(Unreachable):
        cluster(server, Credentials("Bearer t")).get(MAPS, "default", "seen")


def test_an_authority_that_does_not_fit_is_named(server: str) -> None:
    with pytest.raises(Unreachable, match="certificate"):
        cluster(server, Credentials("", CERTIFICATE, KEY), authority=b"").get(MAPS, "default", "seen")


def test_another_server_name_is_checked(server: str) -> None:
    login = Credentials("", CERTIFICATE, KEY)
    assert cluster(server, login, server_name="api.test").get(MAPS, "default", "seen")
    with pytest.raises(Unreachable, match=r"other\.test"):
        cluster(server, login, server_name="other.test").get(MAPS, "default", "seen")


@pytest.mark.parametrize("broken", [b"", b"no PEM", KEY[:60]])
def test_unusable_keys_are_an_error_without_their_content(broken: bytes) -> None:
    with pytest.raises(Unreachable) as caught:
        cluster("https://127.0.0.1:1", Credentials("", CERTIFICATE, broken))
    assert "client-key-data" in caught.value.next_step
    assert KEY.decode()[30:60] not in caught.value.message


LOAD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from helm_safe.kube import transport
certificate, key = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_bytes()
if sys.argv[3] == "files":
    del os.memfd_create
with transport._as_files(certificate, key) as (_, path):
    assert Path(path).read_bytes() == key
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _load_and_die(folder: Path, way: str) -> list[Path]:
    """Files that a process killed in the middle of loading its key leaves behind."""
    arguments = [sys.executable, "-c", LOAD_AND_DIE, str(TLS / "certificate.pem"), str(TLS / "key.pem"), way]
    done = subprocess.run(arguments, env={**os.environ, "TMPDIR": str(folder)}, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return [path for path in folder.rglob("*") if path.is_file() and KEY in path.read_bytes()]


@linux_only
def test_a_killed_process_leaves_no_key(tmp_path: Path) -> None:
    assert _load_and_die(tmp_path, "memory") == []


def test_without_memory_files_the_next_use_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = _load_and_die(tmp_path, "files")
    assert left
    assert all(path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700 for path in left)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with transport._as_files(CERTIFICATE, KEY) as (_, path):
        assert not [old for old in left if old.exists()]
        assert Path(path).exists()
    assert not Path(path).exists()


def test_keys_of_a_kubeconfig_reach_the_server(server: str, tmp_path: Path) -> None:
    content = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {"name": "c", "cluster": {"server": server, "certificate-authority": str(TLS / "certificate.pem")}}
        ],
        "users": [
            {"name": "u", "user": {"client-certificate": f"{TLS}/certificate.pem", "client-key": f"{TLS}/key.pem"}}
        ],
    }
    (tmp_path / "config").write_text(yamlio.dump(content))
    found = KubeCluster.connect({"KUBECONFIG": str(tmp_path / "config"), "PATH": "", "HOME": ""})
    assert found.get(MAPS, "default", "seen") is not None
