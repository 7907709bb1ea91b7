"""Early stopping on the validation loss, with the meaning of ``patience`` and ``min_delta`` in Keras."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """The best validation loss so far, and how many validations ago it was.

    As ``keras.callbacks.EarlyStopping(monitor="val_loss")``, with one validation for an epoch: a loss is an improvement if it
    is below the best one minus ``min_delta``; NaN never is.

    Attributes:
        patience: validations without improvement after which training stops; 0 for never.
        min_delta: the least decrease that is an improvement.
        best: the best loss, None before the first validation.
        wait: validations since the best one.
        count: validations.
    """

    patience: int
    min_delta: float = 0.0
    best: float | None = None
    wait: int = 0
    count: int = 0

    def update(self, loss: float) -> bool:
        """Add the loss of a validation; return whether training should stop."""
        if self.patience == 0:
            return False
        self.count += 1
        self.wait += 1
        if self.best is None or loss + self.min_delta < self.best:
            self.best, self.wait = loss, 0
            return False
        return self.wait >= self.patience and self.count > 1
