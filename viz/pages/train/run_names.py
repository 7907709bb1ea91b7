"""Names of runs: as they are shown, and as a list in the address."""

from __future__ import annotations

from viz.pages.view_widgets import OptionFormat


def run_title(name: str) -> str:
    """Return the name of a run in the list, of a random name only its beginning."""
    start, token = split_token(name)
    return f"{start} · {token[:4]}" if token else name


def split_token(name: str) -> tuple[str, str]:
    """Return a run's name without the random end that the page gives it, and that end; "" for one without it."""
    start, _dash, token = name.rpartition("-")
    random = len(token) == 12 and all(letter in "0123456789abcdef" for letter in token)
    return (start, token) if start and random else (name, "")


def _escape(name: str) -> str:
    return name.replace("%", "%25").replace(",", "%2C")


def _unescape(text: str) -> str:
    return text.replace("%2C", ",").replace("%25", "%")


RUNS: OptionFormat[list[str]] = OptionFormat(
    lambda text: [_unescape(each) for each in text.split(",") if each],
    lambda names: ",".join(map(_escape, names)),
)
"""Runs in the address, separated by commas; a comma in a name is ``%2C``."""
