"""Print what n-grams cost with our arrays and with NLTK: `python -m tests.benchmarks.ngram_cost [MEGABYTES ...]`.

Both count the n-grams, n = 1 .. 5, of the docstrings of installed packages, then compute the probability of one word with
interpolated Kneser-Ney, n = 5. Each engine has a process of its own. Printed are processor seconds, the peak of memory beyond
that of a process that has read the text alone, and the factor between the two. It runs on Linux and macOS, which have
the resource module.
"""

import argparse
import re
import resource
import subprocess
import sys
import sysconfig
from itertools import pairwise
from pathlib import Path
from time import process_time

import numpy as np
from nltk.lm import KneserNeyInterpolated, Vocabulary
from nltk.util import everygrams

from models.language.corpus import END, PADDING, START, Corpus, read_corpus
from models.language.corpus_counts import CorpusCounts
from models.language.smoothing import Smoothing, probabilities

ORDER = PADDING + 1
DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)


def text_of(size: int) -> str:
    """Return the first ``size`` letters of the docstrings of installed packages."""
    parts, length = [], 0
    for path in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        for part in DOCSTRING.findall(path.read_text(encoding="utf-8", errors="ignore")):
            parts.append(part)
            length += len(part)
        if length >= size:
            return "\n".join(parts)[:size]
    raise SystemExit(f"The docstrings have {length:,} letters, fewer than {size:,}.")


def count_ours(corpus: Corpus) -> tuple[float, float]:
    """Return the processor seconds of counting, and of the probability of one word."""
    begin = process_time()
    counts = CorpusCounts(corpus)
    counted = process_time()
    probabilities(counts, Smoothing("kneser_ney"), np.array([middle_ngram(corpus)]))
    return counted - begin, process_time() - counted


def count_nltk(corpus: Corpus) -> tuple[float, float]:
    """Return the same of NLTK."""
    bounds = [*(corpus.starts - PADDING), len(corpus.tokens)]
    words = corpus.words
    begin = process_time()
    sentences = [[words[k] for k in corpus.tokens[a:b].tolist()] for a, b in pairwise(bounds)]
    model = KneserNeyInterpolated(ORDER, 0.75, vocabulary=Vocabulary([words[START], words[END], *words[3:]]))
    model.fit(everygrams(sentence, max_len=ORDER) for sentence in sentences)
    counted = process_time()
    *context, word = [words[k] for k in middle_ngram(corpus)]
    model.score(word, context)
    return counted - begin, process_time() - counted


def middle_ngram(corpus: Corpus) -> list[int]:
    """Return the n-gram that ends at the first word in the middle of the corpus."""
    place = int(corpus.starts[len(corpus.starts) // 2])
    return [int(token) for token in corpus.tokens[place - ORDER + 1 : place + 1]]


ENGINES = {"ours": count_ours, "nltk": count_nltk, "neither": lambda corpus: (0.0, 0.0)}


def measure(engine: str, megabytes: float) -> None:
    """Print the seconds of counting, those of one probability, and the peak of memory in MB."""
    corpus = read_corpus(text_of(int(megabytes * 1e6)))
    counted, scored = ENGINES[engine](corpus)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(counted, scored, peak, corpus.word_count)


def in_own_process(engine: str, megabytes: float) -> list[float]:
    """Return what `measure` prints in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.ngram_cost", "--engine", engine, str(megabytes)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(each) for each in found.stdout.split()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("megabytes", type=float, nargs="*", default=[0.3, 1, 3])
    parser.add_argument("--engine", choices=ENGINES, help="measure one engine in this process")
    given = parser.parse_args()
    if given.engine:
        measure(given.engine, given.megabytes[0])
        sys.exit()
    for megabytes in given.megabytes:
        neither, ours, nltk = (in_own_process(engine, megabytes) for engine in ("neither", "ours", "nltk"))
        print(f"{megabytes:g} MB of text, {neither[3]:,.0f} words")
        for name, place, unit in (("counting", 0, "s"), ("one probability", 1, "s"), ("memory", 2, "MB")):
            a, b = (each[place] - neither[place] for each in (ours, nltk))
            print(f"  {name}: ours {a:.3g} {unit}, nltk {b:.3g} {unit}, {b / a:.3g} times as much", flush=True)
