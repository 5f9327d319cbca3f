"""`python -m tests.report.play MOMENT WAY`: a program that shows a scripted run, and then stays, ends or crashes."""

from __future__ import annotations

import sys
import time
from datetime import datetime

from helm_safe.report.keys import Keys
from helm_safe.report.screen import Screen
from tests.report import story

COMMAND = f"helm safe-rollback pause|promote|abort {story.NAME} -n prod-eu-central"


class At:
    """A clock that stands."""

    def __init__(self, now: datetime) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def play(screen: Screen, clock: At, told: story.Story) -> None:
    """The whole story, each event in its time."""
    for event in told.events:
        clock.at = event.at
        screen.event(event)
    clock.at = told.now


def main(moment: str, way: str) -> int:
    told = getattr(story, moment)()
    clock = At(told.now)
    with Screen(clock, keys=Keys.of(sys.stdin)) as screen:
        screen.connect(lambda verb: f"you asked for this: {verb}", COMMAND)
        play(screen, clock, told)
        if way == "crash":
            raise RuntimeError("a fault")
        if way == "ask":
            time.sleep(0.5)
            with screen.suspended():
                print("Really? ", end="", flush=True)
                print(f"answer: {sys.stdin.readline().strip()}")
        if way in ("stay", "ask"):
            time.sleep(60)
    print("the program goes on")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
