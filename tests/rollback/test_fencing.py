"""A run that stood still while another process took it over: not one more write, wherever it stood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helm_safe.journal.lease import Lease
from helm_safe.journal.secret_store import SecretJournal
from helm_safe.model.errors import LostLease
from helm_safe.model.records import Record
from helm_safe.model.settings import Settings
from helm_safe.rollback import control
from helm_safe.rollback.context import World
from tests.fakes.cluster import FakeCluster
from tests.fakes.runs import RELEASE, FakeClock, Helm, deployment, healthy, world

SETTINGS = Settings(yes=True, bake=4.0, timeout=60.0)
RECORDS = 14  # START, then INTENT and DONE of six steps, END


def footprint(made: World) -> tuple[int, int, int]:
    """What a run leaves in the world: writes to the API server, calls of helm, records of helm."""
    assert isinstance(made.cluster, FakeCluster)
    assert isinstance(made.releases, Helm)
    return len(made.cluster.writes), len(made.releases.calls), len(made.releases.history(RELEASE).revisions)


def suspended(made: World, count: int) -> tuple[int, int, int]:
    """Run, stand still after the `count`-th record while another process takes over, go on; the footprint before that."""
    seen: list[tuple[int, int, int]] = []
    appended = 0
    real: Callable[[SecretJournal, Record], None] = SecretJournal.append

    def append(journal: SecretJournal, record: Record) -> None:
        nonlocal appended
        real(journal, record)
        appended += 1
        if appended == count:
            made.clock.sleep(60)
            taker = Lease(made.cluster, RELEASE, "the other", FakeClock())
            taker.acquire()
            taker._stop.set()
            seen.append(footprint(made))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SecretJournal, "append", append)
        with pytest.raises(LostLease, match="the other took over"):
            control.start(made, RELEASE, 1, SETTINGS, show=lambda _: None, confirm=lambda _: True)
    return seen[0]


@pytest.mark.parametrize("count", range(1, RECORDS))
def test_a_suspended_run_writes_nothing_after_waking(tmp_path: Path, count: int) -> None:
    """Pods scaled away by hand give it something to write after the native rollback, too."""
    made = world(tmp_path, FakeCluster([healthy(deployment("2", 0)), hpa()]))
    before = suspended(made, count)
    assert footprint(made) == before


def hpa() -> dict[str, object]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "checkout-api", "namespace": "prod"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "checkout-api"}, "minReplicas": 4, "maxReplicas": 9},
    }
