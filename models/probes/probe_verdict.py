"""Sentences that say whether a probe's score is more than what chance, untrained networks or the token alone give."""

from __future__ import annotations

from collections.abc import Sequence

from models.core.messages import Sentence
from models.probes.bootstrap import Resampled


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
    score = float(test.value)
    chance = baseline if baseline.value >= shuffled.value else shuffled
    if not test.above(chance):
        if numeric:
            return False, Sentence(
                "Chance gives this answer too: on the {documents} test documents the probe's R² is {score:.2f}, not surely "
                "above the {chance:.2f} of the mean or of shuffled labels.",
                documents=documents,
                score=score,
                chance=float(chance.value),
            )
        return False, Sentence(
            "Chance gives this answer too: on the {documents} test documents the probe's accuracy is {score:.1%}, not surely "
            "above the {chance:.1%} of the most frequent label or of shuffled labels.",
            documents=documents,
            score=score,
            chance=float(chance.value),
        )
    if untrained and not above_untrained(test, untrained):
        best = max(float(each.value) for each in untrained)
        if numeric:
            return False, Sentence(
                "An untrained network gives this answer too: R² is {untrained:.2f} from its states and {score:.2f} from "
                "those of the trained one.",
                untrained=best,
                score=score,
            )
        return False, Sentence(
            "An untrained network gives this answer too: the accuracy is {untrained:.1%} from its states and {score:.1%} "
            "from those of the trained one.",
            untrained=best,
            score=score,
        )
    if token is not None and not test.above(token):
        if numeric:
            return False, Sentence(
                "The current token alone gives this answer: R² is {token:.2f} from the token and {score:.2f} from the state.",
                token=float(token.value),
                score=score,
            )
        return False, Sentence(
            "The current token alone gives this answer: the accuracy is {token:.1%} from the token and {score:.1%} from "
            "the state.",
            token=float(token.value),
            score=score,
        )
    if numeric:
        return True, Sentence(
            "The label can be read linearly from the state: R² is {score:.2f} on the test documents.", score=score
        )
    return True, Sentence(
        "The label can be read linearly from the state: the accuracy is {score:.1%} on the test documents, and "
        "{baseline:.1%} for the most frequent label.",
        score=score,
        baseline=float(baseline.value),
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
