"""`status RELEASE --web`: the page of the report, live on this machine while a run goes on."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from helm_safe.model.errors import OK, HelmSafeError
from helm_safe.model.plan import EndState

if TYPE_CHECKING:
    from helm_safe.model.revisions import Release
    from helm_safe.rollback.context import World

LOOK = 2.0  # seconds between two looks at the journal
_ENDS = tuple(each.value for each in EndState if each is not EndState.INTERRUPTED)


class Page:
    """The newest page, kept for LOOK seconds, so that many readers cost the API server no more than one."""

    def __init__(self, world: World, release: Release) -> None:
        self._world, self._release = world, release
        self._asked, self._text, self._problem = 0.0, "", ""
        self.ended = False

    def __call__(self, nonce: str) -> str:
        from helm_safe.report.pages import live_page

        if time.monotonic() - self._asked >= LOOK:
            self._look()
        return live_page(self._text, nonce, str(self._release), self._problem, ended=self.ended)

    def _look(self) -> None:
        from helm_safe.journal.secret_store import runs_of
        from helm_safe.model.review import review
        from helm_safe.report.pages import body

        self._asked = time.monotonic()
        try:
            runs = runs_of(self._world.cluster, self._release)
            newest = max(runs, default="")
            if newest:
                told = review(self._release, newest, runs[newest])
                self._text, self.ended = body(told), told.state in _ENDS
            self._problem = ""
        except (HelmSafeError, ValueError) as error:
            self._problem = f"This is not of now: {getattr(error, 'message', error)}"


def serve(args: argparse.Namespace, world: World, release: Release) -> int:
    """Until Ctrl-C. The address is printed once; whoever has it may read."""
    from helm_safe.report.serving import PageServer

    server = PageServer(Page(world, release))
    try:
        if args.output == "text":
            from helm_safe.report.console import console, line

            line(console(no_color=args.no_color), f"{server.url}  (Ctrl-C ends it)")
        else:
            from helm_safe.report.document import write_document

            write_document({"url": server.url}, args.output)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)  # noqa: TID251 - requests are answered by other threads
    finally:
        server.close()
    return OK
