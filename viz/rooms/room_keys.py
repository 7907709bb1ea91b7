"""The keys of a room, all derived from the teacher's, which only the teacher's browser keeps.

A server that was restarted has no rooms. The teacher's browser, which connects again, opens the same room there: the same
name, secret and letters, so that links and QR codes stay valid. Nobody else can, as a hash cannot be inverted.
"""

import hmac
import re
from dataclasses import dataclass

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels, so that no letters are a word."""

LETTERS = 4

_KEY = re.compile(r"[0-9a-f]{32,128}")


@dataclass(frozen=True)
class RoomKeys:
    """The keys of a room.

    Attributes:
        room: its name on the server.
        secret: in the link of the students; 128 bits.
        letters: four letters for those who cannot open the link.
    """

    room: str
    secret: str
    letters: str


def is_key(value: object) -> bool:
    """Return whether a value has the form of a key: at least 128 bits in hexadecimal digits.

    >>> is_key("0" * 32), is_key("0" * 31), is_key(None)
    (True, False, False)
    """
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def derive_keys(teacher_key: str, turn: int = 0) -> RoomKeys:
    """Return the keys of the teacher's room; ``turn``: how many sets of letters it had before."""
    found = int(_digest(teacher_key, f"letters {turn}"), 16)
    letters = ""
    for _place in range(LETTERS):
        found, each = divmod(found, len(ALPHABET))
        letters += ALPHABET[each]
    return RoomKeys(_digest(teacher_key, "room")[:32], _digest(teacher_key, "student")[:32], letters)


def _digest(key: str, purpose: str) -> str:
    return hmac.new(bytes.fromhex(key if len(key) % 2 == 0 else key + "0"), purpose.encode(), "sha256").hexdigest()


def normalized_letters(typed: str) -> str | None:
    """Return typed letters as a room has them; None if they are not four of ``ALPHABET``.

    >>> normalized_letters(" bc-df "), normalized_letters("abc")
    ('BCDF', None)
    """
    letters = re.sub(r"[\s-]", "", typed).upper()
    return letters if len(letters) == LETTERS and all(each in ALPHABET for each in letters) else None
