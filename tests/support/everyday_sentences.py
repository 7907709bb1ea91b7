"""Everyday sentences with their class, scored by a bundled network: the share of known tokens, and right answers by language.

``python -m tests.support.everyday_sentences FILE.tsv`` prints both; a line is language, positive or negative, sentence, with
tabs between. ``--all`` prints every sentence that is wrong or has unknown words; without it no sentence is printed.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from models import Network, load_network, run_network
from models.networks.forward_run import ClassPrediction

CLASSES = ("negative", "positive")


@dataclass
class Score:
    """The counts of one language.

    Attributes:
        sentences, right: how many sentences, and how many of them the network classifies as they are labelled.
        tokens, known: how many tokens, and how many of them the vocabulary has.
        remarks: a line for every sentence that is wrong or has unknown tokens.
    """

    sentences: int = 0
    right: int = 0
    tokens: int = 0
    known: int = 0
    remarks: list[str] = field(default_factory=list)


def read_sentences(path: Path) -> list[tuple[str, str, str]]:
    """Return (language, class, sentence) of every line of a file."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(language, label, sentence) for language, label, sentence in rows]


def score_sentences(network: Network, sentences: list[tuple[str, str, str]]) -> dict[str, Score]:
    """Return the score of each language."""
    scores: dict[str, Score] = {}
    for language, label, sentence in sentences:
        score = scores.setdefault(language, Score())
        run = run_network(network, sentence)
        assert isinstance(run.prediction, ClassPrediction)
        given = network.tokenize(sentence)
        unknown = [token == network.card.unknown for token in given.tokens]
        right = run.prediction.best == CLASSES.index(label)
        score.sentences += 1
        score.right += right
        score.tokens += len(unknown)
        score.known += len(unknown) - sum(unknown)
        if not right or any(unknown):
            positive = float(run.prediction.probability[1])
            score.remarks.append(
                f"{'' if right else 'wrong: '}{label}, {positive:.2f} positive: {' '.join(given.labels)}"
            )
    return scores


def main() -> None:
    """Print the scores of a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.everyday_sentences", description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--network", default="sentiment")
    parser.add_argument("--all", action="store_true", help="print the sentences that are wrong or have unknown words")
    options = parser.parse_args()
    for language, score in score_sentences(load_network(options.network), read_sentences(options.file)).items():
        share = score.known / score.tokens
        print(f"{language}: {score.right} of {score.sentences} right, {share:.1%} of {score.tokens} tokens known")
        for remark in score.remarks if options.all else ():
            print(f"  {remark}")


if __name__ == "__main__":
    main()
