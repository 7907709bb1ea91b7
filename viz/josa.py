"""Korean particles that follow a value: 은 or 는, 이 or 가, 을 or 를, 으로 or 로, …, chosen when the value is known.

A Korean message names the particle at the end of a placeholder's format, in the form that follows a final consonant:
``"{name:은}"``, ``"{share:.1%을}"``. ``format_message`` formats the value and appends the form that fits its reading, so
that ``"{name:은}"`` becomes ``"l0은"`` for the layer ``l0`` and ``"gru는"`` for ``gru``. hangulpy chooses between the two
forms from the last Korean syllable; what is read aloud without being written in Korean (digits, Latin letters, symbols)
is spelled out for it here. `viz/components/shared/josa.js` does the same in the browser.
"""

import re
from string import Formatter
from typing import Any

from hangulpy import josa_pick

PARTICLES = {
    "은": "은/는",
    "이": "이/가",
    "을": "을/를",
    "과": "와/과",
    "으로": "으로/로",
    "이에요": "이에요/예요",
    "이라고": "이라고/라고",
    "이라는": "이라고/라고",  # 이라는/라는 alternates like 이라고/라고
    "이라": "이라/라",
    "이라서": "이라서/라서",
    "이라면": "이라면/라면",
    "이나": "이나/나",
    "이며": "이며/며",
    "이어야": "이어야/여야",
}
"""Particles that a message may name, in the form after a final consonant, and its pair in hangulpy."""

DIGITS = dict(zip("0123456789", ("영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"), strict=True))
"""The Korean reading of a last digit. That of a trailing 0 (영, 십, 백, 천, 만) always ends in a consonant other than ㄹ."""

SYMBOLS = {"%": "퍼센트", "∞": "무한대", "°": "도", "²": "제곱", "³": "제곱", "σ": "시그마", "λ": "람다", "θ": "세타"}
"""The Korean reading of symbols that may end a value."""

LATIN_ENDINGS = {"l": "엘", "m": "엠", "n": "엔"}
"""Final letters of words and abbreviations whose Korean reading ends in a consonant (셀, 스트림, 토큰; 엘, 엠, 엔)."""

SPELLED_ENDINGS = {"r": "알"}
"""Further letters that end in a consonant where the letters are read one by one: ``R``, but not ``layer`` (레이어)."""

SILENT = re.compile(r"[\s\"'“”‘’«»„`´()\[\]{}<>*_~.,:;!?…–—\\|/-]+$")
"""What ends a value and is not read aloud: quotes, brackets, Markdown."""

MARKED = re.compile(r"(?<!\{)\{\w+:[^{}]*[가-힣]\}")


def format_message(message: str, values: dict[str, Any]) -> str:
    """Return ``message`` with its placeholders filled, as ``str.format`` does, and particles chosen.

    Raises:
        KeyError: a placeholder has no value.
        ValueError: a particle is not in ``PARTICLES``.
    """
    if not MARKED.search(message):
        return message.format(**values)
    return _FORMATTER.vformat(message, (), values)


def with_particle(value: str, particle: str) -> str:
    """Return ``value`` followed by ``particle`` (one of ``PARTICLES``) in the form that fits it."""
    if particle not in PARTICLES:
        raise ValueError(f"Unknown particle {particle!r}: use one of {', '.join(PARTICLES)}.")
    chosen = josa_pick(reading_of_end(value), PARTICLES[particle])
    return value + ("라는" if chosen == "라고" else "이라는") if particle == "이라는" else value + chosen


def reading_of_end(value: str) -> str:
    """Return a Korean word that ends as ``value`` is read aloud; "그" (no final consonant) where nothing is read."""
    spoken = SILENT.sub("", value)
    if not spoken:
        return "그"
    last = spoken[-1]
    if last in DIGITS:
        return DIGITS[last]
    if last in SYMBOLS:
        return SYMBOLS[last]
    if last.isascii() and last.isalpha():
        return _latin_reading(spoken)
    return last if "가" <= last <= "힣" else "그"


def _latin_reading(spoken: str) -> str:
    """Return the reading of the end of a Latin word or abbreviation."""
    found = re.search(r"[A-Za-z]+$", spoken)
    assert found is not None
    word = found[0]
    last = word[-1].lower()
    if last in LATIN_ENDINGS:
        return LATIN_ENDINGS[last]
    if word.lower().endswith("ng"):
        return "응"
    spelled = len(word) == 1 or word.isupper() or not re.search(r"[aeiouy]", word.lower())
    return SPELLED_ENDINGS.get(last, "그") if spelled else "그"


class _ParticleFormatter(Formatter):
    """``str.format`` whose format specifications may end in a Korean particle."""

    def format_field(self, value: Any, format_spec: str) -> str:
        found = re.search(r"[가-힣]+$", format_spec)
        if found is None:
            return str(format(value, format_spec))
        return with_particle(format(value, format_spec[: found.start()]), found[0])


_FORMATTER = _ParticleFormatter()
