"""Every router: the route as it was, at each step, and put back; one file each. KRM_GOLDEN=write writes the steps."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm_safe.core.objects import Object
from helm_safe.model.routes import NOTHING, Backends, RouteCapture, Weight
from helm_safe.ports import TrafficRouter
from helm_safe.rollback.traffic import router_of
from helm_safe.routers import BUILTIN
from tests.fakes.merging import json_patch

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SHARES = (0, 0.5, 1, 10, 50, 100)


class Case:
    """One file: how, the original, what is made beside it where something is, then the object at each share."""

    def __init__(self, name: str) -> None:
        self.path = FOLDER / f"{name}.yaml"
        self.how, self.route, *self.rest = yaml.safe_load_all(self.path.read_text(encoding="utf-8"))
        self.router: TrafficRouter = router_of(self.how["router"])
        self.pairs = [Backends(*pair) for pair in self.how["pairs"]]
        self.carrier = self.router.carrier(self.route, self.pairs, NOTHING)
        if name.endswith("-there-before"):
            self.carrier = None
        if self.carrier:
            self.carrier["metadata"]["resourceVersion"] = "1"

    @property
    def start(self) -> Object:
        """The object whose weights are written."""
        return deepcopy(self.carrier or self.route)

    def step(self, live: Object, share: float) -> Object:
        return applied(live, self.router.patch(self.captured(), live, self.pairs, Weight(share)))

    def captured(self) -> RouteCapture:
        """By way of the journal."""
        return RouteCapture.from_json(json.loads(json.dumps(self.router.capture(self.start).to_json())))

    def steps(self) -> list[Object]:
        """The objects after each share, one written after the other."""
        found, live = [], self.start
        for share in SHARES:
            live = self.step(live, share)
            found.append(live)
        return found


def applied(live: Object, patch: list[dict[str, Any]]) -> Object:
    done: Object = json_patch(deepcopy(live), patch)
    return done


def test_every_router_has_a_case() -> None:
    """Nothing is in the table that has no golden file."""
    assert {Case(name).how["router"] for name in CASES} == set(BUILTIN)


@pytest.mark.parametrize("name", CASES)
def test_steps_are_the_golden_ones(name: str) -> None:
    """Each step, byte by byte."""
    case = Case(name)
    made = [*([case.carrier] if case.carrier else []), *case.steps()]
    if os.environ.get("KRM_GOLDEN") == "write":
        head = case.path.read_text(encoding="utf-8").split("\n---\n")[:2]
        tail = [yaml.safe_dump(obj, sort_keys=False, width=110).rstrip() for obj in made]
        case.path.write_text("\n---\n".join([*(part.rstrip() for part in head), *tail]) + "\n", encoding="utf-8")
        pytest.fail("written anew; look at the difference")
    assert case.rest == made


@pytest.mark.parametrize("name", CASES)
def test_the_route_is_put_back_to_the_byte(name: str) -> None:
    """From every step, and from none; what is there already is not written."""
    case = Case(name)
    for live in (case.start, *case.steps()):
        back = applied(live, case.router.restore(case.captured(), live))
        assert json.dumps(back) == json.dumps(case.start)
    assert case.router.restore(case.captured(), case.start) == []


@pytest.mark.parametrize("name", CASES)
def test_only_weights_change_and_each_write_is_bound(name: str) -> None:
    """Writing twice is writing once; another version of the object is a conflict; what is not ours stays."""
    case = Case(name)
    for share, live in zip(SHARES, case.steps(), strict=True):
        assert case.router.patch(case.captured(), live, case.pairs, Weight(share)) == []
        patch = case.router.patch(case.captured(), case.start, case.pairs, Weight(share))
        if patch:
            assert patch[0] == {
                "op": "test",
                "path": "/metadata/resourceVersion",
                "value": case.start["metadata"]["resourceVersion"],
            }
        shown = case.router.share(live, case.pairs)
        assert shown
        assert shown.canary == pytest.approx(share, abs=case.router.least / 2)


@pytest.mark.parametrize("name", CASES)
def test_a_second_writer_is_noticed(name: str) -> None:
    """Weights that are not ours, and an edit beside them; unknown fields that were there are no edit."""
    case = Case(name)
    ours = case.step(case.start, 10)
    allowed: list[Weight | None] = [None, Weight(1)]
    assert case.router.foreign(case.captured(), ours, case.pairs, allowed)
    assert case.router.foreign(case.captured(), ours, case.pairs, [*allowed, Weight(10)]) is None
    assert case.router.foreign(case.captured(), case.start, case.pairs, allowed) is None
    edited = deepcopy(ours)
    edited["spec"]["addedBySomebody"] = True
    found = case.router.foreign(case.captured(), edited, case.pairs, [Weight(10)])
    assert found
    assert "spec.addedBySomebody" in str(found)
