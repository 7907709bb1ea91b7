"""``wave``: predict the next value of a wave.

A wave is the sum of two sines, or one damped sine, of random frequency and phase. The network has to infer them from the
values so far: no fixed linear formula of the last values works for all frequencies.
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
WARMUP_STEPS = 10
"""Steps at the start of a wave that the comparison skips: one value does not determine a frequency."""


def sample_waves(random: np.random.Generator, count: int, length: int = LENGTH + 1) -> Tensor:
    """Sample waves (count, length, 1) float32 between -1 and 1; periods of 6 to 40 steps, a third of the waves damped."""
    t = np.arange(length)
    periods = np.exp(random.uniform(np.log(6), np.log(40), (count, 2, 1)))
    sines = np.sin(2 * np.pi * (t / periods + random.uniform(0, 1, (count, 2, 1))))
    share = random.uniform(0.3, 0.7, (count, 1))
    both = share * sines[:, 0] + (1 - share) * sines[:, 1]
    damped = sines[:, 0] * np.exp(-t / random.uniform(20, 60, (count, 1)))
    return torch.from_numpy(np.where(random.random((count, 1)) < 1 / 3, damped, both)[..., None].astype(np.float32))


def train(module: nn.Module, steps: int, seed: int) -> float:
    """Train on new waves at every step, by mean squared error. Returns seconds."""
    random = np.random.default_rng(seed)

    def loss_at(step: int) -> Tensor:
        x = sample_waves(random, BATCH)
        return F.mse_loss(module(x[:, :-1]), x[:, 1:])

    return fit(module, loss_at, steps, rate=0.01)


def measure(module: nn.Module) -> dict[str, Any]:
    """Measure the root mean squared error after the first ``WARMUP_STEPS`` steps, with linear predictors as baselines."""
    held_out = sample_waves(np.random.default_rng(1), 2000)
    with torch.no_grad():
        prediction = module(held_out[:, :-1])[:, WARMUP_STEPS:, 0]
    truth = held_out[:, WARMUP_STEPS + 1 :, 0]
    fitted = sample_waves(np.random.default_rng(2), 2000)[..., 0].double().numpy()
    known = held_out[..., 0].double().numpy()

    def taps(x: np.ndarray, count: int) -> np.ndarray:
        return np.stack([x[:, WARMUP_STEPS - back : -1 - back or None] for back in range(count)], -1)

    def linear(count: int) -> float:
        weights = np.linalg.lstsq(
            taps(fitted, count).reshape(-1, count), fitted[:, WARMUP_STEPS + 1 :].ravel(), rcond=None
        )[0]
        return _rms(taps(known, count) @ weights - known[:, WARMUP_STEPS + 1 :])

    return {
        "rms_error": _rms((prediction - truth).numpy()),
        "rms_error_last_value": _rms(known[:, WARMUP_STEPS:-1] - known[:, WARMUP_STEPS + 1 :]),
        "rms_error_linear_2_taps": linear(2),
        "rms_error_linear_4_taps": linear(4),
        "rms_of_the_waves": _rms(known[:, WARMUP_STEPS + 1 :]),
        "first_step_counted": WARMUP_STEPS,
        "waves": len(held_out),
    }


def _rms(error: np.ndarray) -> float:
    return round(float(np.sqrt(np.mean(np.square(error)))), 5)


def format_values(values: np.ndarray) -> str:
    """Return values as the text of an input."""
    return ", ".join(f"{value:.2f}" for value in values)


def make_wave_examples() -> tuple[dict[str, str], ...]:
    """A sum of two sines, a damped sine, and one whose period changes half way."""
    t = np.arange(48)
    two = 0.6 * np.sin(2 * np.pi * t / 12) + 0.4 * np.sin(2 * np.pi * t / 31)
    damped = np.exp(-t / 25) * np.sin(2 * np.pi * t / 9)
    changing = np.where(t < 24, 0.5 * np.sin(2 * np.pi * t / 12), 0.5 * np.sin(2 * np.pi * t / 7))
    return tuple({"text": format_values(each)} for each in (two, damped, changing))


def wave_default_view(module: NumberModel) -> dict[str, Any]:
    """Return a view of the unit that correlates most with the slope of the waves, which no single value reveals."""
    x = sample_waves(np.random.default_rng(3), 500)
    with torch.no_grad(), capture(module) as trace:
        module(x)
    hidden = trace.layers["rnn.l0"].hidden[:, WARMUP_STEPS:].reshape(-1, module.rnn.hidden_size)
    slope = (x[:, WARMUP_STEPS:, 0] - x[:, WARMUP_STEPS - 1 : -1, 0]).flatten().numpy()
    correlation = np.corrcoef(hidden.T, slope)[-1, :-1]
    unit = int(np.abs(correlation).argmax())
    why = (
        f"The hidden state of unit {unit} correlates with the change of the wave since the previous time step "
        f"(r = {correlation[unit]:.2f} over 500 waves), which no single input value shows. Here the wave is at a peak.",
        f"유닛 {unit}의 은닉 상태는 바로 앞 시점부터 파동 값이 얼마나 변했는지와 상관이 커요(파동 500개에서 "
        f"r = {correlation[unit]:.2f}). 입력값 하나만으로는 알 수 없는 정보예요. 여기서 파동이 마루를 지나요.",
    )
    text = make_wave_examples()[0]["text"]
    values = np.array([float(value) for value in text.split(", ")])
    peaks = np.flatnonzero((np.diff(values)[:-1] > 0) & (np.diff(values)[1:] <= 0)) + 1
    return {
        "text": text,
        "layer": "rnn.l0",
        "unit": unit,
        "step": int(peaks[peaks > WARMUP_STEPS][0]),
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
        examples=make_wave_examples(),
        steps=4000,
        train=train,
        measure=measure,
        default_view=wave_default_view,
        columns=1,
    )
}
