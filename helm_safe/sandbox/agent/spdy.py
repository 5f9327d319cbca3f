"""The frames of SPDY/3.1 that Kubernetes' port-forward uses (draft 3.1 of the protocol). Pure."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 0x01
HEAD = 8
_VERSION = 0x8003
_CANCEL = 5
_MOST_HEADERS = 64 * 1024

# The dictionary of the protocol: its length-prefixed words, then text without any structure.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_REST = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    b"203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    b"403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    b"Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    b"chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    b"text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _counted(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


DICTIONARY = b"".join(_counted(word.replace("_", " ").encode()) for word in _WORDS.split()) + _REST


class SpdyError(ValueError):
    """Bytes that are no SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first eight bytes of a frame. kind: the control frame's type, or None for data; number: the data's stream."""

    kind: int | None
    number: int
    flags: int
    length: int

    @property
    def last(self) -> bool:
        return bool(self.flags & FIN)


def head(data: bytes) -> Head:
    """Read the head of a frame; raises SpdyError for another version."""
    first, second = struct.unpack(">II", data)
    flags, length = second >> 24, second & 0xFFFFFF
    if not first & 0x80000000:
        return Head(None, first, flags, length)
    if first >> 16 != _VERSION:
        raise SpdyError(f"not a frame of SPDY/3.1: {data[:4].hex()}")
    return Head(first & 0xFFFF, 0, flags, length)


def stream_number(body: bytes) -> int:
    """The stream that a control frame is about."""
    if len(body) < 4:
        raise SpdyError("a frame is too short")
    return int(struct.unpack(">I", body[:4])[0] & 0x7FFFFFFF)


class Headers:
    """The header blocks of one connection: they share one compression in each direction."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(zdict=DICTIONARY)
        self._unpacker = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, syn_stream: bytes) -> dict[str, str]:
        """The headers in the body of a SYN_STREAM; raises SpdyError where they are broken or too many."""
        try:
            plain = self._unpacker.decompress(syn_stream[10:], _MOST_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"headers cannot be unpacked: {error}") from error
        if self._unpacker.unconsumed_tail:
            raise SpdyError("more headers than any port-forward needs")
        return _pairs(plain)

    def reply(self, number: int) -> bytes:
        """A SYN_REPLY without headers."""
        block = self._packer.compress(struct.pack(">I", 0)) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, 0, struct.pack(">I", number) + block)


def data_frame(number: int, data: bytes, *, last: bool = False) -> bytes:
    return struct.pack(">II", number, (FIN if last else 0) << 24 | len(data)) + data


def reset(number: int) -> bytes:
    return _control(RST_STREAM, 0, struct.pack(">II", number, _CANCEL))


def pong(body: bytes) -> bytes:
    return _control(PING, 0, body[:4])


def _control(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack(">HHI", _VERSION, kind, flags << 24 | len(body)) + body


def _pairs(plain: bytes) -> dict[str, str]:
    try:
        count, offset = struct.unpack_from(">I", plain)[0], 4
        words = []
        for _ in range(2 * count):
            size = struct.unpack_from(">I", plain, offset)[0]
            words.append(plain[offset + 4 : offset + 4 + size].decode("latin-1"))
            offset += 4 + size
    except struct.error as error:
        raise SpdyError("a header block is cut short") from error
    return {name.lower(): value for name, value in zip(words[::2], words[1::2], strict=True)}
