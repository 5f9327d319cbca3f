"""The one choke point for text from outside on its way to a terminal: what the reader sees is what is there.

Names, logs, events and error bodies come from clusters that others write to. Left as they are, they could move the
cursor, rewrite lines already printed, set the window title, or reverse the order of characters. Colour and cursor
sequences are dropped (logs are full of them); every other invisible or active character is spelled out.
"""

from __future__ import annotations

import re

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC: titles, links, clipboard
)
_ACTIVE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\ufff0-\ufffb\uffa0\U000e0000-\U000e0fff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\x00": "\\0"}


def printable(text: object, *, multiline: bool = False) -> str:
    """The text without anything that acts on a terminal. Never raises.

    Without `multiline` line ends are spelled out too, so that one value stays on one line; tabs become blanks.
    """
    plain = text if isinstance(text, str) else str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    plain = _SEQUENCES.sub("", plain)
    if not multiline:
        return _ACTIVE.sub(_spelled, plain)
    lines = plain.replace("\r\n", "\n").split("\n")
    return "\n".join(_ACTIVE.sub(_spelled, line) for line in lines)


def _spelled(match: re.Match[str]) -> str:
    character = match.group()
    if character == "\t":
        return "    "
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
