"""Sample texts with dates in English and Korean, with other words around them, and the dates in ISO 8601.

"let us meet on Sunday, 4 August 2024 in the afternoon" is "2024-08-04"; two dates are a date range, "2021-05-03/2022-06-04"
(ISO 8601-1:2019, 5.5.2). Only unambiguous forms are generated: four-digit years, never 04/08/2024.
"""

from __future__ import annotations

import datetime
import re
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from models.core.tokenize_text import UNKNOWN

Language = Literal["en", "ko"]
YEARS = (1900, 2099)
"""The first and the last year."""

PADDING, START, END = "", "⊢", "⊣"
"""The padding cannot be typed."""

TARGETS = (START, END, "-", "/", *"0123456789")
"""The target symbols, in the order of their ids."""

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = (
    "", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
)  # fmt: skip
DIGITS_KO = "영일이삼사오육칠팔구"
WEEKDAYS_KO = "월화수목금토일"

DATES: dict[Language, tuple[str, ...]] = {
    "en": (
        "{weekday}{d} {mon} {year}",
        "{weekday}{d} {month} {year}",
        "{weekday}{mon} {d}, {year}",
        "{weekday}{month} {d}, {year}",
        "{weekday}{month} {dth}, {year}",
        "{weekday}{dth} {month} {year}",
        "{weekday}{dth} {mon} {year}",
        "{weekday}the {dth} of {month}, {year}",
        "{weekday}the {dth} of {month} {year}",
        "{weekday}the {first} of {month}, {year}",
        "{weekday}the {first} of {month} {year words}",
        "{weekday}{month} the {first}, {year}",
        "{weekday}{month} {first}, {year words}",
        "{weekday}{d} {month} {year words}",
        "{year} {month} {d}",
        "{year}/{mm}/{dd}",
        "{year}-{mm}-{dd}",
    ),
    "ko": (
        "{year}년 {m}월 {d}일{weekday}",
        "{year}년 {m}월 {d}일{weekday}",
        "{year}년{m}월{d}일{weekday}",
        "{year}년 {mm}월 {dd}일{weekday}",
        "{year}. {m}. {d}.{weekday}",
        "{year}.{mm}.{dd}.{weekday}",
        "{year}/{mm}/{dd}{weekday}",
        "{year words}년 {month words} {day words}일{weekday}",
        "{year words} 년 {month words} {day words} 일{weekday}",
    ),
}
"""Templates of one date."""

ALONE: dict[Language, tuple[str, ...]] = {"en": ("{0}", "{0}.", "on {0}"), "ko": ("{0}", "{0}에")}
INTERVALS: dict[Language, tuple[str, ...]] = {
    "en": ("from {0} to {1}", "from {0} until {1}", "between {0} and {1}", "{0} to {1}", "{0} - {1}"),
    "ko": ("{0}부터 {1}까지", "{0}에서 {1}까지", "{0} ~ {1}", "{0}부터 {1} 사이에"),
}
SENTENCES: dict[Language, tuple[str, ...]] = {
    "en": (
        "let us meet {0}", "we moved here {0}", "the letter is dated {0}", "the shop opens {0}", "I was born {0}",
        "she will be away {0}", "it happened {0}", "my brother called me {0}", "there is no school {0}",
        "the museum was closed {0}", "please pay the rent {0}", "we worked in the same office {0}",
    ),
    "ko": (
        "우리는 {0} 만나요", "저는 {0} 태어났어요", "편지는 {0} 썼어요", "가게는 {0} 문을 열어요", "그 일은 {0} 있었어요",
        "동생은 {0} 여행을 가요", "학교는 {0} 쉬어요", "박물관은 {0} 닫았어요", "어머니는 {0} 서울에 있었어요",
        "친구가 {0} 전화했어요", "책은 {0} 읽었어요", "같은 회사에서 {0} 일했어요",
    ),
}  # fmt: skip
"""Templates of a sentence around a date or date range."""

BEFORE: dict[Language, tuple[str, ...]] = {
    "en": (
        "I think ", "as you know, ", "please remember: ", "if it does not rain, ", "to be honest, ",
        "my mother told me that ", "in the old letter I read that ", "nobody believed it, but ",
    ),
    "ko": (
        "제 생각에는 ", "아시다시피 ", "꼭 기억하세요. ", "비가 오지 않으면 ", "솔직히 말하면 ",
        "어머니 말씀으로는 ", "오래된 편지를 보니 ", "아무도 믿지 않았지만 ",
    ),
}  # fmt: skip
AFTER: dict[Language, tuple[str, ...]] = {
    "en": (
        ", I hope", " in the afternoon", " at the station", " with my friends", ", as always", ", if you like",
        " and it was a very cold winter", " because the train was late", ", so do not forget it",
    ),
    "ko": (
        ", 좋아요", ". 오후가 좋아요", ". 역 앞이에요", ". 친구들과 같이요", ". 늘 그랬어요", ". 잊지 마세요",
        ". 아주 추운 겨울이었어요", ". 기차가 늦었기 때문이에요", ". 그래서 오래 기다렸어요",
    ),
}  # fmt: skip
"""Words before and after the sentence, repeated until the text is long enough."""


@dataclass(frozen=True)
class DateText:
    """A text with a date or date range, and its answer.

    Attributes:
        text: the text.
        answer: the date or date range in ISO 8601.
        parts: the start and end index in ``text`` of each part of each date: ``{("year", 0): (12, 16), ...}``; the part is
            ``"year"``, ``"month"`` or ``"day"``, the number is the index of the date.
    """

    text: str
    answer: str
    parts: dict[tuple[str, int], tuple[int, int]]


def is_held_out(day: datetime.date) -> bool:
    """Return whether a date is among the tenth that is excluded from training."""
    return zlib.crc32(day.isoformat().encode()) % 10 == 3


def sample_date_text(
    random: np.random.Generator,
    length: int,
    held_out: bool = False,
    interval: bool = False,
    language: Language | None = None,
) -> DateText:
    """Sample a text of about ``length`` characters.

    Args:
        random: the random generator.
        length: words are added around the date until the text has so many characters; some forms of dates are longer.
        held_out: only held-out dates; else only the others.
        interval: a date range instead of one date.
        language: the language; None for either.
    """
    language = language or ("en" if random.random() < 0.5 else "ko")
    days = sorted(_sample_day(random, held_out) for _ in range(2 if interval else 1))
    form = int(random.integers(len(DATES[language])))  # both dates of a range have the same form
    phrases = INTERVALS[language] if interval else ALONE[language]
    phrase = _choose(random, phrases)
    min_length = len(phrase) + sum(len(_fill_template(DATES[language][form], {})) + 14 for _ in days)
    if length > min_length:
        if not interval:
            phrase = "on {0}" if language == "en" else "{0}에"
        phrase = _choose(random, SENTENCES[language]).replace("{0}", phrase)
    pieces = _pieces(random, phrase, days, form, language)
    before, after = "", ""
    while (room := length - len(before) - len(after) - sum(len(text) for text, _ in pieces)) > 0:
        if room < 6:
            break
        if random.random() < 0.5:
            before += _choose(random, BEFORE[language])
        else:
            after += _choose(random, AFTER[language])
    case = random.random()
    text, parts = "", {}
    for piece, part in [(before, None), *pieces, (after, None)]:
        if part is not None:
            parts[part] = len(text), len(text) + len(piece)
        text += piece
    if language == "en":
        text = text.lower() if case < 0.15 else text.upper() if case < 0.25 else text[:1].upper() + text[1:]
    return DateText(text, "/".join(day.isoformat() for day in days), parts)


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the padding, the unknown symbol, and every character that the grammar generates."""
    texts: list[str] = ["0123456789", DIGITS_KO, WEEKDAYS_KO, "십백천유시월년요일()", *MONTHS, *WEEKDAYS, *ONES, *TENS]
    texts += ["hundred thousand and oh ordinals: st nd rd th - ", *ORDINALS, "twentieth thirtieth"]
    for language in ("en", "ko"):
        for templates in (DATES, ALONE, INTERVALS, SENTENCES, BEFORE, AFTER):
            texts += [_fill_template(each, {}) for each in templates[language]]
    plain = {character for text in texts for character in text}
    cased = {form for character in plain for form in (character.lower(), character.upper()) if len(form) == 1}
    return (PADDING, UNKNOWN, *sorted(plain | cased))


def year_words(year: int, random: np.random.Generator) -> str:
    """Return a year in words: 1905: "nineteen oh five", 2024: "twenty twenty-four" or "two thousand (and) twenty-four"."""
    century, rest = divmod(year, 100)
    if 2000 <= year < 2010 or (year >= 2010 and random.random() < 0.4):
        joint = " and " if random.random() < 0.5 else " "
        return "two thousand" + (joint + _number(rest) if rest else "")
    if rest == 0:
        return f"{_number(century)} hundred"
    return f"{_number(century)} {'oh ' if rest < 10 else ''}{_number(rest)}"


def ordinal(day: int) -> str:
    """Return an ordinal in words: 1 as "first" .. 31 as "thirty-first"."""
    if day < 20:
        return ORDINALS[day]
    tens, ones = divmod(day, 10)
    return f"{TENS[tens]}-{ORDINALS[ones]}" if ones else TENS[tens][:-1] + "ieth"


def korean_number(number: int) -> str:
    """Return a number in Sino-Korean words: 2024 as "이천이십사"."""
    words = ""
    for unit, name in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = number // unit % 10
        if digit:
            words += ("" if digit == 1 and name else DIGITS_KO[digit]) + name
    return words


def _number(value: int) -> str:
    if value < 20:
        return ONES[value]
    tens, ones = divmod(value, 10)
    return TENS[tens] + (f"-{ONES[ones]}" if ones else "")


def _choose(random: np.random.Generator, of: tuple[str, ...]) -> str:
    return of[int(random.integers(len(of)))]


def _sample_day(random: np.random.Generator, held_out: bool) -> datetime.date:
    first, last = (datetime.date(year, *rest).toordinal() for year, rest in zip(YEARS, ((1, 1), (12, 31)), strict=True))
    while True:
        day = datetime.date.fromordinal(int(random.integers(first, last + 1)))
        if is_held_out(day) == held_out:
            return day


def _pieces(
    random: np.random.Generator, phrase: str, days: list[datetime.date], form: int, language: Language
) -> list[tuple[str, tuple[str, int] | None]]:
    """Return the text of ``phrase`` with its dates, in pieces, each with (part, index of the date) or None."""
    weekday = random.random() < 0.4
    pieces: list[tuple[str, tuple[str, int] | None]] = []
    for at, piece in enumerate(re.split(r"\{(\d)\}", phrase)):
        if at % 2 == 0:
            pieces.append((piece, None))
            continue
        which = int(piece)
        names = _placeholder_values(random, days[which], language, weekday)
        for inner, text in enumerate(re.split(r"\{(.+?)\}", DATES[language][form])):
            part = PARTS.get(text) if inner % 2 else None
            pieces.append((names[text] if inner % 2 else text, None if part is None else (part, which)))
    return pieces


PARTS = {
    "year": "year", "year words": "year", "mon": "month", "month": "month", "m": "month", "mm": "month",
    "month words": "month", "d": "day", "dd": "day", "dth": "day", "first": "day", "day words": "day",
}  # fmt: skip
"""The part of a date that each placeholder of a template shows."""


def _placeholder_values(
    random: np.random.Generator, day: datetime.date, language: Language, weekday: bool
) -> dict[str, str]:
    """Return the text of each placeholder of a template."""
    shared = {"year": f"{day.year}", "d": f"{day.day}", "dd": f"{day.day:02}", "mm": f"{day.month:02}"}
    if language == "ko":
        name = WEEKDAYS_KO[day.weekday()]
        months = {6: "유월", 10: "시월"}
        return shared | {
            "m": f"{day.month}",
            "year words": korean_number(day.year),
            "month words": months.get(day.month, korean_number(day.month) + "월"),
            "day words": korean_number(day.day),
            "weekday": _choose(random, (f" {name}요일", f"({name})", f" ({name})")) if weekday else "",
        }
    name, ending = WEEKDAYS[day.weekday()], {1: "st", 2: "nd", 3: "rd"}
    return shared | {
        "mon": MONTHS[day.month - 1][:3] + ("." if day.month != 5 and random.random() < 0.2 else ""),
        "month": MONTHS[day.month - 1],
        "dth": f"{day.day}{'th' if 10 < day.day < 14 else ending.get(day.day % 10, 'th')}",
        "first": ordinal(day.day),
        "year words": year_words(day.year, random),
        "weekday": _choose(random, (f"{name}, ", f"{name} ", f"{name[:3]} ", f"{name[:3]}, ")) if weekday else "",
    }


def _fill_template(template: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(.+?)\}", lambda found: names.get(found[1], ""), template)


__all__ = ["PADDING", "TARGETS", "DateText", "is_held_out", "sample_date_text", "vocabulary"]
