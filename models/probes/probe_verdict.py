"""Sentences that say whether a probe's score is more than what chance, untrained networks or the token alone give."""

from __future__ import annotations

from collections.abc import Sequence

from models.core.messages import Sentence
from models.probes.bootstrap import Resampled
from models.probes.probe_scores import score_text


def probe_verdict(
    test: Resampled,
    baseline: Resampled,
    shuffled: Resampled,
    untrained: Sequence[Resampled],
    token: Resampled | None,
    numeric: bool,
    documents: int,
) -> tuple[bool, Sentence]:
    """Return whether the label is readable from the state, and the sentence that says so or what else gives this answer.

    A score is above another one if the 99 % interval of their difference is above 0.

    Args:
        test: the score of the probe.
        baseline: that of the most frequent category or the mean.
        shuffled: that of the probe with shuffled labels.
        untrained: those of the probe of each untrained network's states.
        token: that of the current token alone, or None.
        numeric: whether scores are R² instead of accuracies.
        documents: the number of test documents.
    """

    def text(each: Resampled) -> str:
        return score_text(float(each.value), numeric)

    score, best = text(test), max((baseline, shuffled), key=lambda each: float(each.value))
    if not test.above(best):
        return False, Sentence(
            "Chance gives this answer too: on the {documents} test documents the probe's score is {score}, not surely above "
            "the {chance} of a constant answer or of shuffled labels.",
            documents=documents,
            score=score,
            chance=text(best),
        )
    if untrained and not above_untrained(test, untrained):
        return False, Sentence(
            "An untrained network gives this answer too: the score is {untrained} from its states and {score} from those of "
            "the trained one.",
            untrained=text(max(untrained, key=lambda each: float(each.value))),
            score=score,
        )
    if token is not None and not test.above(token):
        return False, Sentence(
            "The current token alone gives this answer: the score is {token} from the token and {score} from the state.",
            token=text(token),
            score=score,
        )
    return True, Sentence(
        "The label can be read linearly from the state: the score is {score} on the test documents, and {baseline} of a "
        "constant answer.",
        score=score,
        baseline=text(baseline),
    )


def selectivity_warning(selectivity: Resampled | None) -> Sentence | None:
    """Return the sentence for a selectivity that is not above 0; None if it is, or without a control task."""
    if selectivity is None or selectivity.interval()[0] > 0:
        return None
    return Sentence(
        "The probe learns random labels of the tokens as well as this label (selectivity {selectivity:.2f}), so its score "
        "alone does not show that the network encodes the label.",
        selectivity=float(selectivity.value),
    )


def above_untrained(score: Resampled, untrained: Sequence[Resampled]) -> bool:
    """Return whether a score is above those of all untrained networks, and farther than they are from each other."""
    values = [float(each.value) for each in untrained]
    apart = float(score.value) - max(values) > max(values) - min(values)
    return apart and all(score.above(each) for each in untrained)
