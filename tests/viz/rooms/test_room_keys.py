"""The keys of a room: derived from the teacher's alone, and not from each other."""

import re

from hypothesis import given
from hypothesis import strategies as st

from viz.rooms.room_keys import ALPHABET, LETTERS, derive_keys, is_key, normalized_letters

KEYS = st.text("0123456789abcdef", min_size=32, max_size=64)


@given(KEYS)
def test_a_restarted_server_derives_the_same_keys(key):
    found = derive_keys(key)
    assert found == derive_keys(key)
    assert re.fullmatch(f"[{ALPHABET}]{{{LETTERS}}}", found.letters)
    assert is_key(found.room) and is_key(found.secret)
    assert len({key, found.room, found.secret}) == 3


@given(KEYS, st.integers(0, 50))
def test_new_letters_leave_the_link_as_it_is(key, turn):
    first, other = derive_keys(key), derive_keys(key, turn + 1)
    assert (first.room, first.secret) == (other.room, other.secret)


def test_letters_are_read_as_they_are_typed():
    letters = derive_keys("0" * 32).letters
    assert normalized_letters(f" {letters[:2].lower()}-{letters[2:]} ") == letters
    for wrong in ("", letters[:3], letters + "B", "AEIO", "1234", "ㄱㄴㄷㄹ"):
        assert normalized_letters(wrong) is None
