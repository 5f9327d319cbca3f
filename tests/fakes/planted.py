"""Secrets of many shapes to plant, and the search for them in whatever came out."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

SEED = "q7Zr9KxW2mVb"
ROWS = {
    "connection string": "postgres://app:{0}@db.prod:5432/shop",
    "jdbc": "jdbc:postgresql://db/shop?user=app&password={0}",
    "ado": "Server=db;User ID=sa;Password={0};Encrypt=true",
    "go dsn": "app:{0}@tcp(db:3306)/shop",
    "basic auth in a URL": "https://me:{0}@git.example.com/x.git",
    "token in a URL": "https://{0}{0}@github.com/x.git",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\n{0}{0}\n-----END RSA PRIVATE KEY-----",
    "AWS keys": "AWS_ACCESS_KEY_ID=AKIA1234567890ABCDEF aws_secret_access_key={0}",
    "Azure key": "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={0}==;EndpointSuffix=core.windows.net",
    "signed URL": "https://x.blob.core.windows.net/a?sv=2020-08-04&sig={0}%3D",
    "Google key": "AIza{0}{0}{0}",
    "GitHub token": "ghp_{0}{0}",
    "Stripe key": "sk_live_{0}{0}",
    "cookie": "Cookie: theme=dark; session={0}; lang=en",
    "set-cookie": "Set-Cookie: sid={0}; HttpOnly; Secure",
    "bearer": "Authorization: Bearer {0}{0}",
    "basic": "Authorization: Basic {0}{0}==",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJxIn0.{0}",
    "Slack webhook": "https://hooks.slack.com/services/T000/B000/{0}",
    "Slack token": "xoxb-123-{0}",
    "failing row": "DETAIL:  Failing row contains (7, {0}, null, ann@example.com).",
    "failing row that is cut": "DETAIL:  Failing row contains (7, {0}, nu",
    "key of a row": "DETAIL:  Key (email)=({0}) already exists.",
    "MySQL row": "Duplicate entry '{0}' for key 'users.email'",
    "statement": "INSERT INTO users (id, pin) VALUES (7, '{0}')",
    "variable": "DB_PASSWORD={0}",
    "JSON": '{{"level":"error","api_key":"{0}"}}',
    "flag": "exec: /app/server --db-password {0} --port 80",
    "last applied": 'kubectl.kubernetes.io/last-applied-configuration: {{"kind":"Secret","data":{{"x":"{0}"}}}}',
    "printed Secret": '{{"kind":"Secret","data":{{"x":"{0}"}}}}',
    "YAML": "client_secret: '{0}'",
}


def shapes(mark: str) -> dict[str, str]:
    """name -> text with a secret that begins with the mark, one of its own for each shape."""
    return {name: text.format(secret(mark, number)) for number, (name, text) in enumerate(ROWS.items())}


def secret(mark: str, number: int) -> str:
    return f"{SEED}{mark}{number:02}Yx"


def leaks(text: str) -> list[str]:
    """Where planted secrets stand in a text, as they are or in base64 or URL-encoded."""
    wanted = {SEED, quote(SEED, safe=""), *_in_base64()}
    return [text[max(0, at - 60) : at + 60] for each in sorted(wanted) if (at := text.find(each)) >= 0]


def _in_base64() -> Iterator[str]:
    """The part of the seed that is the same in base64 wherever it begins."""
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + SEED.encode()).decode().rstrip("=")
        yield encoded[4 if shift else 0 : -2]


def files_below(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of every file, archives unpacked."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if data[:2] == b"\x1f\x8b" and path.name.endswith(".tar.gz"):
                with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                    for entry in archive:
                        body = archive.extractfile(entry)
                        yield f"{path.name}:{entry.name}", body.read().decode("utf-8", "replace") if body else ""
                continue
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            yield str(path), data.decode("utf-8", "replace")


def told(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
