"""How a text becomes tokens: characters, or words with their particles and punctuation apart."""

import re
from collections.abc import Collection

UNKNOWN = "\ufffd"
"""What stands in a sequence for every symbol that a network never learned."""

SHOWN = {"\n": "⏎", " ": "␣", "\t": "⇥"}


def tidy(text: str) -> str:
    """``text`` with one newline character for every kind of line end, and tabs expanded to four spaces."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")


def display(token: str) -> str:
    """A token as it is drawn: white space is made visible (``'\\n'`` -> ``'⏎'``, ``' '`` -> ``'␣'``)."""
    return "".join(SHOWN.get(character, character) for character in token)


def split_words(text: str, vocabulary: Collection[str], particles: Collection[str] = ()) -> list[str]:
    """Words and punctuation marks of ``text``, in the vocabulary's own spelling where it has the word.

    Korean writes particles on to the word before them. A word that the vocabulary lacks is taken apart when it is a
    known word and one of ``particles``, so that the word itself is one token:

    >>> split_words("모스크바에 왔어요.", {"모스크바", "에", "왔어요", "."}, {"에"})
    ['모스크바', '에', '왔어요', '.']
    """
    spelling = {word.casefold(): word for word in vocabulary}
    spelling.update({word: word for word in vocabulary})

    def known(word: str) -> str | None:
        return spelling.get(word) or spelling.get(word.casefold())

    tokens: list[str] = []
    for word in re.findall(r"\w+|[^\w\s]", text):
        whole = known(word)
        if whole is not None:
            tokens.append(whole)
            continue
        for particle in sorted(particles, key=len, reverse=True):
            stem = known(word[: -len(particle)]) if word.endswith(particle) else None
            if stem is not None:
                tokens += [stem, particle]
                break
        else:
            tokens.append(word)
    return tokens
