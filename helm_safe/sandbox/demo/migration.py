"""The story of a schema that does not travel back: a real PostgreSQL, the real Alembic, and what a plan says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from helm_safe.model.errors import RunFailed
from helm_safe.sandbox.cluster import Sandbox
from helm_safe.sandbox.demo.stage import ROOT, Done, Stage

RELEASE = "orders"
COLUMN = "orders.legacy_total"
CHART = Path(__file__).resolve().parent / "orders"
MIGRATIONS = Path(__file__).resolve().parent / "migrations"
QUERIES = (
    "INSERT INTO orders (customer, legacy_total) VALUES ('ada', 12.50)",
    "SELECT id, customer, legacy_total FROM orders",
)
"""What the code of revision 1 asks of its database."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a plan said after a migration, and what truly happens to the queries of revision 1.

    migration: what ran. advice: of the plan; said: its first reason. exit_code: of the command. truth: what the
    database answers, "" where every query works. seconds: that the plan took.
    """

    migration: str
    advice: str
    said: str
    exit_code: int
    truth: str

    @property
    def right(self) -> bool:
        """Whether the advice and what happens agree."""
        if self.truth:
            named = COLUMN in self.said and COLUMN.partition(".")[2] in self.truth
            return self.advice == "roll forward" and self.exit_code == 3 and named
        return self.advice == "roll back" and self.exit_code == 0


class Story:
    """One release in a namespace of a sandbox, its database outside of it. major: which Helm plays."""

    def __init__(self, sandbox: Sandbox, major: int, namespace: str, address: str) -> None:
        self._stage = Stage(sandbox, major, namespace)
        self._address = address

    def begin(self) -> None:
        """The Secret with the address, the first schema, revision 1, and its snapshot."""
        self._stage.kubectl("create", "namespace", self._stage.namespace, fails=True)
        literal = f"--from-literal=url={self._address}"
        shown = self._stage.kubectl(
            "create", "secret", "generic", f"{RELEASE}-db", literal, "--dry-run=client", "-o", "yaml"
        )
        self._stage.kubectl("apply", "-f", "-", feed=shown.stdout)
        self.migrate("0001")
        self.deploy("1")

    def deploy(self, tag: str) -> None:
        """Install or upgrade, wait for its pods, and photograph what will not travel back."""
        self._stage.helm("upgrade", "--install", RELEASE, CHART, "--set-string", f"tag={tag}")
        self._stage.kubectl("rollout", "status", f"deployment/{RELEASE}", "--timeout=90s")
        self._stage.safe("snapshot", RELEASE, "--db", f"secret/{RELEASE}-db#url")

    def migrate(self, version: str) -> None:
        """What a pipeline does before it deploys. Raises RunFailed with Alembic's last words."""
        alembic = ["import sys; from alembic.config import Config; from alembic import command"]
        alembic += ["config = Config(); config.set_main_option('script_location', sys.argv[1])"]
        alembic += ["command.upgrade(config, sys.argv[2])"]
        done = subprocess.run(
            [sys.executable, "-c", "; ".join(alembic), str(MIGRATIONS), version],
            env={**os.environ, "DATABASE_URL": self._address, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RunFailed(f"alembic upgrade {version} failed: {done.stderr.strip()[-400:]}")

    def ask(self, migration: str) -> Asked:
        """What `plan` says of revision 1, and what its queries really meet."""
        words = ["plan", RELEASE, "1", "--strategy", "native", "--db", f"secret/{RELEASE}-db#url", "-o", "json"]
        done = self._stage.safe(*words, fails=True)
        try:
            plan = json.loads(done.stdout)
        except ValueError:
            raise RunFailed(f"plan failed: {done.stderr.strip()[-400:]}") from None
        said = next(iter(plan["reasons"]), "") or _told(plan, "DB-ADD-001")
        return Asked(migration, plan["advice"], said, done.returncode, self.truth())

    def show(self) -> Done:
        """The plan as people read it."""
        words = ["plan", RELEASE, "1", "--strategy", "native", "--db", f"secret/{RELEASE}-db#url"]
        return self._stage.safe(*words, fails=True)

    def truth(self) -> str:
        """Run the queries of revision 1; nothing of it is kept."""
        import psycopg

        with psycopg.connect(self._address) as connection:
            try:
                for query in QUERIES:
                    connection.execute(query)
            except psycopg.Error as error:
                return str(error).splitlines()[0]
            finally:
                connection.rollback()
        return ""

    def end(self) -> None:
        self._stage.helm("uninstall", RELEASE, "--ignore-not-found", "--wait", fails=True)


def _told(plan: dict[str, list[dict[str, str]]], check: str) -> str:
    return next((each["message"] for each in plan["findings"] if each["check"] == check), "")
