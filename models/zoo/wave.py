"""``wave``: a network of numbers, which reads a wave and predicts its next value.

A wave is the sum of two sines, or one sine that dies away, of random frequency and phase. Each has to be recognised from
what was read of it: no fixed formula over the last values fits all frequencies.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.number_model import NumberModel
from models.capturing.capture import capture
from models.zoo.recipe import Recipe
from models.zoo.training import fit

LENGTH = 80
BATCH = 64
WARM = 10
"""Steps at the start of a wave that the comparison leaves out: nobody can know a frequency from one value."""


def waves(random: np.random.Generator, count: int, length: int = LENGTH + 1) -> Tensor:
    """Values (count, length, 1) float32 between -1 and 1; periods of 6 to 40 steps, a third of the waves damped."""
    t = np.arange(length)
    periods = np.exp(random.uniform(np.log(6), np.log(40), (count, 2, 1)))
    sines = np.sin(2 * np.pi * (t / periods + random.uniform(0, 1, (count, 2, 1))))
    share = random.uniform(0.3, 0.7, (count, 1))
    both = share * sines[:, 0] + (1 - share) * sines[:, 1]
    dying = sines[:, 0] * np.exp(-t / random.uniform(20, 60, (count, 1)))
    return torch.from_numpy(np.where(random.random((count, 1)) < 1 / 3, dying, both)[..., None].astype(np.float32))


def train(module: nn.Module, steps: int, seed: int) -> float:
    """Train on fresh waves at every step, by mean squared error."""
    random = np.random.default_rng(seed)

    def loss_at(step: int) -> Tensor:
        x = waves(random, BATCH)
        return F.mse_loss(module(x[:, :-1]), x[:, 1:])

    return fit(module, loss_at, steps, rate=0.01)


def measure(module: nn.Module) -> dict[str, Any]:
    """Root mean squared error beside what simple predictors reach, after the first ``WARM`` steps of a wave."""
    held_out = waves(np.random.default_rng(1), 2000)
    with torch.no_grad():
        prediction = module(held_out[:, :-1])[:, WARM:, 0]
    truth = held_out[:, WARM + 1 :, 0]
    fitted = waves(np.random.default_rng(2), 2000)[..., 0].double().numpy()
    known = held_out[..., 0].double().numpy()

    def taps(x: np.ndarray, count: int) -> np.ndarray:
        return np.stack([x[:, WARM - back : -1 - back or None] for back in range(count)], -1)

    def linear(count: int) -> float:
        weights = np.linalg.lstsq(taps(fitted, count).reshape(-1, count), fitted[:, WARM + 1 :].ravel(), rcond=None)[0]
        return _rms(taps(known, count) @ weights - known[:, WARM + 1 :])

    return {
        "rms_error": _rms((prediction - truth).numpy()),
        "rms_error_last_value": _rms(known[:, WARM:-1] - known[:, WARM + 1 :]),
        "rms_error_linear_2_taps": linear(2),
        "rms_error_linear_4_taps": linear(4),
        "rms_of_the_waves": _rms(known[:, WARM + 1 :]),
        "first_step_counted": WARM,
        "waves": len(held_out),
    }


def _rms(error: np.ndarray) -> float:
    return round(float(np.sqrt(np.mean(np.square(error)))), 5)


def written(values: np.ndarray) -> str:
    """Values as they would be typed."""
    return ", ".join(f"{value:.2f}" for value in values)


def examples() -> tuple[dict[str, str], ...]:
    """A sum of two sines, a dying sine, and one whose period changes half way."""
    t = np.arange(48)
    two = 0.6 * np.sin(2 * np.pi * t / 12) + 0.4 * np.sin(2 * np.pi * t / 31)
    dying = np.exp(-t / 25) * np.sin(2 * np.pi * t / 9)
    changing = np.where(t < 24, 0.5 * np.sin(2 * np.pi * t / 12), 0.5 * np.sin(2 * np.pi * t / 7))
    return tuple({"text": written(each)} for each in (two, dying, changing))


def start(module: NumberModel) -> dict[str, Any]:
    """The unit that follows the slope of the waves most closely, which the value alone does not tell."""
    x = waves(np.random.default_rng(3), 500)
    with torch.no_grad(), capture(module) as trace:
        module(x)
    hidden = trace.layers["rnn.l0"].hidden[:, WARM:].reshape(-1, module.rnn.hidden_size)
    slope = (x[:, WARM:, 0] - x[:, WARM - 1 : -1, 0]).flatten().numpy()
    follow = np.corrcoef(hidden.T, slope)[-1, :-1]
    unit = int(np.abs(follow).argmax())
    why = (
        f"The hidden state of unit {unit} correlates with the change of the wave since the previous time step "
        f"(r = {follow[unit]:.2f} over 500 waves), which no single input value shows. Here the wave is at a peak.",
        f"유닛 {unit}의 은닉 상태는 바로 앞 시점부터 파동 값이 얼마나 변했는지와 상관이 커요(파동 500개에서 "
        f"r = {follow[unit]:.2f}). 입력값 하나만으로는 알 수 없는 정보예요. 여기서 파동이 마루를 지나요.",
    )
    text = examples()[0]["text"]
    values = np.array([float(value) for value in text.split(", ")])
    turns = np.flatnonzero((np.diff(values)[:-1] > 0) & (np.diff(values)[1:] <= 0)) + 1
    return {
        "text": text,
        "layer": "rnn.l0",
        "unit": unit,
        "step": int(turns[turns > WARM][0]),
        "quantity": "hidden",
        "why": {"en": why[0], "ko": why[1]},
    }


RECIPES = {
    "wave": Recipe(
        title={"en": "Wave (time series)", "ko": "파동 (시계열)"},
        task={
            "en": "Takes the values of a wave as input, one per time step, and predicts the next value.",
            "ko": "파동의 값을 시점마다 하나씩 입력받아 다음 값을 예측해요.",
        },
        kind="numbers",
        scored="all",
        architecture={"class": "NumberModel", "columns": 1, "cell": "GRU", "hidden": 8},
        data={
            "source": "made by models/zoo/wave.py",
            "licence": "the project's own",
            "split": "trained on fresh waves at every step; tested on waves from other seeds",
        },
        settings={"batch": BATCH, "length": LENGTH, "optimizer": "Adam, cosine, rate 0.01, clip 1.0"},
        examples=examples(),
        steps=4000,
        train=train,
        measure=measure,
        start=start,
        columns=1,
    )
}
