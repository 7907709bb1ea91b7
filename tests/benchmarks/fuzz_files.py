"""Mutated files of every format, opened as the app does: ``python -m tests.benchmarks.fuzz_files [COUNT] [SEED]``.

Each is listed, its tensors are decoded and its graph is built, or it is refused in one sentence; anything else is printed
with the file's number and must not happen. All are parsed in separate processes that are used again.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections import Counter

from models.checkpoints import CheckpointError, Limits, load_checkpoint
from tests.support.mutated_files import made_files, mutated
from tests.support.open_whole import graph_refusal, tensor_refusals

LIMITS = Limits(seconds=2.5)


def outcome(data: bytes) -> str:
    """Open a file and all that is in it; return what happened in a word, or the error that should not be."""
    try:
        checkpoint = load_checkpoint(data, limits=LIMITS, isolated=True)
        result = "listed"
        for problem in tensor_refusals(checkpoint):
            result = _checked(problem, "listed, a tensor refused")
        refused = graph_refusal(checkpoint)
        return result if refused is None else _checked(refused, "listed, its graph refused")
    except CheckpointError as problem:
        return _checked(problem, "refused")
    except Exception as error:
        return f"OTHER: {type(error).__name__}: {error}"[:200]


def _checked(problem: CheckpointError, result: str) -> str:
    text = str(problem)
    plain = "\n" not in problem.sentence and problem.sentence.endswith(".") and len(text) < 6000
    if "could not be opened within" in text or "MB of memory" in text:
        return f"{result} by the process's limits"
    return result if plain else f"OTHER: {text[:200]}"


def main() -> None:
    """Print the counts."""
    count, seed = map(int, (*sys.argv[1:3], *("10000", "1")[len(sys.argv) - 1 :]))
    warnings.simplefilter("ignore")
    files, start, slowest = list(made_files().items()), time.time(), (0.0, "")
    counts: Counter[str] = Counter()
    by_format: dict[str, Counter[str]] = {name: Counter() for name, _ in files}
    for number in range(count):
        name, data = files[number % len(files)]
        made = mutated(data, random.Random(f"{seed} {number}"))
        before = time.time()
        result = outcome(made)
        slowest = max(slowest, (time.time() - before, f"{name} {number}"))
        counts[result if not result.startswith("OTHER") else "OTHER"] += 1
        by_format[name][result.split(",")[0]] += 1
        if result.startswith("OTHER"):
            print(f"{name} {number}: {result}", flush=True)
    for name, found in by_format.items():
        print(f"{name:20} {dict(found)}")
    print(f"{count} files in {time.time() - start:.0f} s, slowest {slowest[0]:.2f} s ({slowest[1]}): {dict(counts)}")


if __name__ == "__main__":
    main()
