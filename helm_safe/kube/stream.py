"""An answer without end: its pieces as they come, whether its end was in order, and a way to wake whoever reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress

import urllib3
from urllib3.exceptions import HTTPError


class Stream:
    """Pieces of an answer; they end when the server or the network ends them.

    whole: whether it came to its end in order, so that nothing of it was lost on the way.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self.whole = False

    def __iter__(self) -> Iterator[bytes]:
        with closing(self._response):
            try:
                # Pieces come as they arrive: a buffered read would hold back events.
                yield from self._response.stream(65536, decode_content=True)
                self.whole = True
            except (HTTPError, OSError):
                return

    def shut(self) -> None:
        """Let a reader in another thread come to its end at once."""
        if isinstance(self._response, urllib3.HTTPResponse):
            with suppress(OSError, ValueError, RuntimeError):  # it ended by itself in this moment
                self._response.shutdown()
