"""Validation of the settings of a training run: the first invalid one, in one sentence."""

from __future__ import annotations

from models.core.cells import GATE_COUNTS
from models.core.messages import Problem
from models.core.parse_numbers import shorten
from models.training.setting_titles import SETTING_TITLES
from models.training.training_options import CHOICES, OWN_DATA, TrainingOptions

MAX_PARAMETERS = 20_000_000
"""Parameters of a network that is trained here."""

MAX_DATA = 2_000_000
"""Characters of a text or a CSV that is trained on."""

MAX_RATE = 100.0
MAX_STEP_NUMBERS = 320_000_000
"""Float32 numbers in memory during a training step: 1.3 GB."""

NUMBERS_PER_UNIT, STEPWISE_NUMBERS_PER_UNIT, NUMBERS_PER_OUTPUT = 20, 36, 5
"""Upper bounds, measured: numbers in memory for each unit of a layer, and for each output, at each time step of a sequence;
of a layer with torch's kernel, and with a loop over the time steps."""

INTEGERS: dict[str, tuple[int, int]] = {
    "distance": (5, 200),
    "examples": (0, 200_000),
    "units": (1, 4096),
    "layers": (1, 8),
    "embedding": (0, 2048),
    "batch": (1, 4096),
    "epochs": (1, 100_000),
    "steps": (0, 10_000_000),
    "sequence_length": (2, 2000),
    "bptt_length": (0, 2000),
    "validate_every": (0, 10_000_000),
    "patience": (0, 100_000),
    "seed": (0, 2**31 - 1),
    "record_every": (1, 100_000),
    "snapshots": (2, 500),
}
"""The range of each integer setting."""

NUMBERS: dict[str, tuple[float, float]] = {
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 10.0),
    "validation_share": (0.01, 0.9),
    "clip_threshold": (1e-6, 1e6),
    "input_dropout": (0.0, 0.95),
    "depth_dropout": (0.0, 0.95),
    "time_dropout": (0.0, 0.95),
    "zoneout": (0.0, 0.95),
    "zoneout_cell": (0.0, 0.95),
    "initial_scale": (0.0, 100.0),
    "min_delta": (0.0, 1e6),
    "minutes": (0.01, 600.0),
}
"""The range of each other number."""


def check_options(options: TrainingOptions) -> None:
    """Check every setting, without building the network.

    Raises:
        Problem: the first that is invalid; one sentence says what would be right.
    """
    for name, choices in CHOICES.items():
        if getattr(options, name) not in choices:
            raise Problem(
                "“{value}” is not a choice for the setting “{name}”. Choose one of these: {choices}.",
                value=str(getattr(options, name))[:40],
                name=SETTING_TITLES[name],
                choices=", ".join(choices),
            )
    for name, (lowest, highest) in (INTEGERS | NUMBERS).items():
        value = getattr(options, name)
        if not lowest <= value <= highest:
            raise Problem(
                "The setting “{name}” is {value}. Choose a number from {lowest} to {highest}.",
                name=SETTING_TITLES[name],
                value=shorten(f"{value:,}"),
                lowest=f"{lowest:,}",
                highest=f"{highest:,}",
            )
    if not 0 < options.rate <= MAX_RATE:
        raise Problem(
            "The learning rate is {rate:g}. Choose one above 0 and at most {most:g}; usual are 0.0001 to 0.1.",
            rate=options.rate,
            most=MAX_RATE,
        )
    if options.forget_bias is not None and not abs(options.forget_bias) <= 100:
        raise Problem("The forget-gate bias is {value}. Choose one from −100 to 100.", value=options.forget_bias)
    _check_combinations(options)


def _check_combinations(options: TrainingOptions) -> None:
    if options.forget_bias is not None and options.cell != "LSTM":
        raise Problem(
            "{cell} cells have no forget gate. Leave out its initial bias, or choose LSTM.", cell=options.cell
        )
    if options.zoneout_cell and options.cell != "LSTM":
        raise Problem("{cell} cells have no cell state. Set its zoneout to 0, or choose LSTM.", cell=options.cell)
    if options.depth_dropout and options.layers == 1:
        raise Problem(
            "Dropout along depth acts between recurrent layers, and there is one layer. Use two or more, or set it to 0."
        )
    if options.momentum and options.optimizer not in ("SGD", "RMSprop"):
        raise Problem("{optimizer} has no momentum setting. Set it to 0, or choose SGD.", optimizer=options.optimizer)
    if options.tied and options.task in ("sentiment", "series"):
        raise Problem("Embedding and output can be tied only if the network predicts the next token. Turn tying off.")
    if options.tied and options.embedding != options.units:
        raise Problem(
            "Tied weights need an embedding as large as a layer; their sizes are {embedding} and {units}. Make them equal.",
            embedding=options.embedding,
            units=options.units,
        )
    if options.task in OWN_DATA:
        if not options.data.strip():
            raise Problem("The data to train on are empty. Paste a text or upload a file.")
        if len(options.data) > MAX_DATA:
            raise Problem(
                "The data have {count} characters, but at most {most} can be trained on. Use a shorter file.",
                count=f"{len(options.data):,}",
                most=f"{MAX_DATA:,}",
            )
    check_parameters(options, 1, 1)
    if options.task not in ("recall", "sentiment", "dates"):  # whose sequences have lengths of their own
        check_memory(options, options.sequence_length, 1)


def check_parameters(options: TrainingOptions, inputs: int, outputs: int) -> None:
    """Check the number of parameters of a network.

    Args:
        options: its sizes.
        inputs: V symbols, or D values of a series.
        outputs: V symbols, C classes or D values.

    Raises:
        Problem: it is too large.
    """
    count = count_parameters(options, inputs, outputs)
    if count > MAX_PARAMETERS:
        raise Problem(
            "This network would have {count} parameters, but at most {most} are trained here. Use fewer units or layers.",
            count=f"{count:,}",
            most=f"{MAX_PARAMETERS:,}",
        )


def count_parameters(options: TrainingOptions, inputs: int, outputs: int) -> int:
    """Return the number of trained parameters: embedding, recurrent layers, output layer. Arguments of ``check_parameters``.

    One layer has G (H D + H H + 2 H) of them, with G = 4 for LSTM, 3 for GRU, 1 for RNN: hence 4 : 3 : 1.
    """
    embedded = options.embedding > 0 and options.task != "series"
    width = options.embedding if embedded else inputs
    count = inputs * options.embedding if embedded else 0
    for _ in range(options.layers):
        count += GATE_COUNTS[options.cell] * options.units * (width + options.units + 2)
        width = options.units
    return count + outputs + (0 if options.tied else outputs * options.units)


def check_memory(options: TrainingOptions, steps: int, outputs: int) -> None:
    """Check the memory of a training step.

    Args:
        options: the settings.
        steps: T, of the longest sequence.
        outputs: V symbols, C classes or D values.

    Raises:
        Problem: it would be too large.
    """
    stepwise = max(options.time_dropout, options.zoneout, options.zoneout_cell) > 0 or options.time_mask == "keras"
    each = STEPWISE_NUMBERS_PER_UNIT if stepwise else NUMBERS_PER_UNIT
    position = each * options.units * options.layers + NUMBERS_PER_OUTPUT * outputs
    numbers = options.batch * steps * position
    if numbers > MAX_STEP_NUMBERS:
        raise Problem(
            "A training step would take about {size} GB of memory, but at most {most} GB are allowed. Use a smaller batch, "
            "shorter sequences or fewer units.",
            size=f"{numbers * 4 / 1e9:,.1f}",
            most=f"{MAX_STEP_NUMBERS * 4 / 1e9:.1f}",
        )
