"""The vocabulary of ``sentiment``: ``python -m models.zoo.everyday_words VADER_LEXICON`` writes everyday/pieces.txt.

It holds every piece of the words in everyday/english.txt and everyday/korean.txt, frequent words of both languages as neutral
words, and English words of a sentiment lexicon. It needs three packages that nothing else needs: wordfreq 3.1.1 for the
frequent words (Apache-2.0, data CC BY-SA 4.0), kiwipiepy to find the Korean nouns and verbs among them (LGPL-3.0), and the
file vader_lexicon.txt of vaderSentiment 3.3.2 (MIT; Hutto and Gilbert 2014).
"""

import argparse
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from random import Random

from models.core.tokenize_text import split_words
from models.zoo.english_reviews import FILE as ENGLISH_FILE
from models.zoo.english_reviews import English
from models.zoo.korean_inflection import endings, forms
from models.zoo.korean_reviews import FILE as KOREAN_FILE
from models.zoo.korean_reviews import Korean
from models.zoo.text_grammar import FOLDER, sections

ENGLISH_WORDS, KOREAN_WORDS, KOREAN_VERBS = 8000, 3800, 480
SAMPLES = 60_000
LEAST_VALENCE = 1.2
"""Of a word of the lexicon, from -4 to 4, to count as a sign of its class."""

EXTRA = "extra.txt"
NUMBERS = (*map(str, range(61)), "70", "80", "90", "100", "200", "300", "500", "1000")


def stem_pieces(stem: str, kind: str) -> list[str]:
    """Return the pieces of a stem: its root before 하 or 스럽, or the stem and the forms that do not begin with it."""
    for suffix in ("하", "스럽"):
        if stem.endswith(suffix) and len(stem) > len(suffix):
            return [stem[: -len(suffix)]]
    of = forms(stem, kind)
    return list(dict.fromkeys(each for each in (stem, *of.values()) if each == stem or not each.startswith(stem)))


def korean_pieces() -> list[str]:
    """Return the pieces of the words, stems and literal words of the Korean file, as far as endings do not make them."""
    lists = sections(KOREAN_FILE)
    pieces: list[str] = []
    for name in ("adj+", "adj-", "feel+", "feel-", "verb+", "verb-", "neutral"):
        for word in lists[name]:
            copula = word.endswith("이다") and not word.endswith("보이다")
            pieces += [word[:-2]] if copula else stem_pieces(word[:-1], "verb" if name[0] == "v" else "adjective")
    text = " ".join(entry for entries in lists.values() for entry in entries)
    for stem, sign in re.findall(r"([가-힣]+)([~^])", text):
        pieces += stem_pieces(stem, "verb" if sign == "~" else "adjective")
    for group in re.findall(r"\(([^()]*)\)[~^]", text):
        for stem in group.split("|"):
            pieces += stem_pieces(stem.split()[-1], "adjective") if stem else []
    for name in ("thing", "person", "place", "noun+", "noun-"):
        pieces += [part for word in lists[name] for part in word.split()]
    pieces += sections(EXTRA)["short"]
    for stem in ("않", "못하", "아니", "없", "있", "싶", "같", "모르", "보", "주", "되", "하", "가", "오"):
        pieces += stem_pieces(stem, "verb") if len(stem) == 1 or stem == "모르" else [stem]
    return list(dict.fromkeys(pieces))


def frequent_korean() -> tuple[list[str], list[str], list[str]]:
    """Return frequent nouns, adverbs and pronouns, and stems of verbs and adjectives."""
    from kiwipiepy import Kiwi
    from wordfreq import top_n_list

    kiwi, nouns, others, verbs = Kiwi(), [], [], []
    for word in top_n_list("ko", 15_000):
        if not re.fullmatch(r"[가-힣]{1,5}", word):
            continue
        only = kiwi.analyze(word)[0][0]
        if len(only) == 1 and only[0].tag == "NNG" and len(word) > 1:
            nouns.append(word)
        elif len(only) == 1 and only[0].tag in ("MAG", "MAJ", "MM", "NP", "NR"):
            others.append(word)
        as_stem = kiwi.analyze(word + "다")[0][0]
        if (
            len(as_stem) == 2
            and as_stem[0].tag[:2] in ("VV", "VA")
            and as_stem[0].form == word
            and as_stem[1].tag == "EF"
        ):
            verbs.append(word)
    return nouns[:KOREAN_WORDS], others, verbs[:KOREAN_VERBS]


def frequent_english(lexicon: Path) -> tuple[list[str], list[str], list[str]]:
    """Return frequent English words without a class, and those of the lexicon by class: negative, positive."""
    from wordfreq import top_n_list, zipf_frequency

    listed = {
        word
        for entries in sections(ENGLISH_FILE).values()
        for entry in entries
        for word in re.findall(r"[\w'-]+", entry)
    }
    valence = {}
    for line in lexicon.read_text(encoding="utf-8").splitlines():
        word, mean = line.split("\t")[:2]
        if re.fullmatch(r"[a-z]+", word) and zipf_frequency(word, "en") > 2.9:
            valence[word] = float(mean)
    excluded = set(sections(EXTRA)["not a cue"])
    cues = {word: mean for word, mean in valence.items() if abs(mean) >= LEAST_VALENCE and word not in excluded}
    shape = re.compile(r"[a-z]{2,}('[a-z]+)?|[ai]")
    words = [each.replace("’", "'") for each in top_n_list("en", 11_000) if shape.fullmatch(each.replace("’", "'"))]
    neutral = [each for each in words[:ENGLISH_WORDS] if each not in cues]
    classed = {word for word in valence if abs(valence[word]) >= 0.8}
    neutral = [each for each in neutral if each not in classed or each in listed]
    extra = [word for word in classed if word not in cues and word not in neutral]
    negative, positive = ([w for w, m in cues.items() if (m > 0) == sign] for sign in (False, True))
    return [*neutral, *extra], [w for w in negative if w not in listed], [w for w in positive if w not in listed]


def main(arguments: list[str] | None = None) -> None:
    """Write everyday/pieces.txt."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.everyday_words", description=main.__doc__)
    parser.add_argument("lexicon", type=Path, help="vader_lexicon.txt")
    lexicon = parser.parse_args(arguments).lexicon
    neutral, negative, positive = frequent_english(lexicon)
    nouns, others, verbs = frequent_korean()
    suffixes = tuple(dict.fromkeys((*endings(), *sections(EXTRA)["ending"])))
    pieces = [*korean_pieces(), *nouns, *others, *(piece for verb in verbs for piece in stem_pieces(verb, "verb"))]
    marks = (*sections(EXTRA)["mark"], *NUMBERS)
    random = Random(0)
    known = {*pieces, *suffixes, *marks}
    made: dict[str, None] = {}
    korean = Korean(tuple(nouns), tuple(verbs))
    for chunk in _chunks(korean, random):
        made |= dict.fromkeys(part for part in re.findall(r"\w+", chunk) if part not in known)
    pieces += [word for word in made if len(split_words(word, known, suffixes)) == 1]
    kept = {piece: None for piece in pieces if piece not in suffixes or len(piece) > 1}
    english: dict[str, None] = dict.fromkeys(["I", *sections(EXTRA)["contraction"]])
    for chunk in _chunks(English(tuple(neutral), (tuple(negative), tuple(positive))), random):
        english |= dict.fromkeys(re.findall(r"\w+(?:'\w+)*", chunk))
    english |= dict.fromkeys(word.replace("'", "") for word in tuple(english) if "'" in word)
    english |= dict.fromkeys([*neutral, *negative, *positive])
    words = {word.casefold(): None for word in english if word.isascii() and not word.isdigit() and word != "I"}
    classed_roots = set(korean_pieces())
    fill = [noun for noun in nouns if noun not in classed_roots]
    common = sections(EXTRA)["function"]
    texts: dict[str, Iterable[str]] = {
        "mark": marks, "ending": suffixes, "english": ["I", *words], "korean": kept,
        "english neutral": [each for each in neutral if each not in common and "'" not in each][: ENGLISH_WORDS],
        "english cue-": negative, "english cue+": positive, "korean neutral": fill,
        "korean verb": [verb for verb in verbs if verb not in classed_roots],
    }  # fmt: skip
    _write(texts)


def _chunks(sampler: English | Korean, random: Random) -> Iterable[str]:
    """Yield the words of many sentences, of every clause at least thirty."""
    for _ in range(SAMPLES):
        kind = random.choice(("plain", "negated", "clause", "clause", "contrast"))
        yield from sampler.opinion(random, random.randrange(2), kind).split()
        yield from sampler.aside(random).split()


def _write(texts: dict[str, Iterable[str]]) -> None:
    lines = [
        "# Written by models.zoo.everyday_words; frequent words from wordfreq (CC BY-SA 4.0), cues from VADER (MIT)."
    ]
    for name, words in texts.items():
        lines += [f"[{name}]", *textwrap.wrap(" ".join(words), 118, break_long_words=False, break_on_hyphens=False)]
    (FOLDER / "pieces.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print({name: len(list(words)) for name, words in texts.items()})


if __name__ == "__main__":
    main()
