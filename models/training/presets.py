"""Six experiments to start with one click: what differs between their runs, what to look for, and what happened here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.messages import Sentence
from models.training.training_options import TrainingOptions


@dataclass(frozen=True, eq=False)
class Variant:
    """One run of an experiment.

    Attributes:
        name: of the run's folder.
        title: what differs from the others.
        options: of the run.
    """

    name: str
    title: Sentence
    options: TrainingOptions


@dataclass(frozen=True, eq=False)
class Preset:
    """An experiment: runs that differ in one setting.

    Attributes:
        name: unique among the presets.
        title: in a few words.
        look_for: what to compare.
        happened: what happened when it was run here, with numbers.
        variants: the runs.
    """

    name: str
    title: Sentence
    look_for: Sentence
    happened: Sentence
    variants: tuple[Variant, ...]


def wave_csv(steps: int = 1200) -> str:
    """Return a sum of two sines as CSV, one value a row."""
    t = np.arange(steps)
    values = 0.6 * np.sin(2 * np.pi * t / 25) + 0.4 * np.sin(2 * np.pi * t / 9)
    return "\n".join(f"{value:.4f}" for value in values)


WAVE = TrainingOptions(
    task="series",
    data=wave_csv(),
    cell="RNN",
    units=32,
    optimizer="SGD",
    rate=0.3,
    batch=8,
    sequence_length=50,
    steps=200,
    initialization="normal",
    initial_scale=0.35,
    clipping="off",
    record_every=2,
)
RECALL = TrainingOptions(
    task="recall",
    distance=30,
    examples=8000,
    units=48,
    embedding=24,
    rate=0.005,
    batch=32,
    steps=1500,
    validate_every=100,
)
SOURCE = TrainingOptions(
    task="characters",
    examples=3000,
    units=64,
    embedding=24,
    rate=0.005,
    batch=32,
    sequence_length=40,
    steps=500,
    validate_every=50,
)
SMALL = SOURCE.with_changes(
    examples=120, layers=2, steps=300, validation_share=0.5, sequence_length=30, units=48, validate_every=25
)


def _clipping() -> Preset:
    return Preset(
        "clipping",
        Sentence("Exploding gradient: with and without clipping"),
        Sentence(
            "Compare the gradient norm before the clip in both runs, and the first training step with a loss that is not "
            "finite. Seed, data and initial weights are the same; the recurrent weights are large on purpose."
        ),
        Sentence(
            "The gradient norm was 321 at training step 0 in both runs. Without clipping the loss grew from 1.6 to 692 in "
            "one step and was infinite at step 16. Clipped to norm 1, the same network reached a validation loss of 0.12 "
            "after 200 steps; it varied from 0.03 to 0.24 over the last 80, so the learning rate is still too high for it."
        ),
        (
            Variant("off", Sentence("no clipping"), WAVE),
            Variant("norm", Sentence("clipped to norm 1"), WAVE.with_changes(clipping="norm")),
        ),
    )


def _cells() -> Preset:
    return Preset(
        "cells",
        Sentence("RNN, LSTM and GRU on a long-term dependency"),
        Sentence(
            "Compare the accuracy by distance, and the gradient norm at the first time steps: does the loss at the end reach "
            "the city? A recurrent layer of LSTM, GRU and RNN has 4 : 3 : 1 times H (D + H + 2) parameters."
        ),
        Sentence(
            "After 1,500 steps (learning rate 0.005) LSTM and GRU predicted the right city in all texts at distances 5 to "
            "30. The RNN stayed at chance level at every distance, even 5: 4 to 9%, where guessing gives 6%. The GRU was at "
            "100% after 300 steps, the LSTM after 600. Processor time with recording: 16, 16 and 21 s for RNN, LSTM and GRU."
        ),
        tuple(
            Variant(cell.lower(), Sentence("{cell} cells", cell=cell), RECALL.with_changes(cell=cell))
            for cell in ("RNN", "LSTM", "GRU")
        ),
    )


def _dropout() -> Preset:
    return Preset(
        "dropout",
        Sentence("Dropout along depth and along time"),
        Sentence(
            "Compare the distance between training and validation loss, and the masks: along time, a fresh mask differs at "
            "each time step, a variational one (Gal and Ghahramani 2016) is the same at all of them."
        ),
        Sentence(
            "On 60 sequences all four runs overfitted within 300 steps. The final validation loss was 3.14 without dropout, "
            "2.91 along depth, 2.77 along time with fresh masks and 2.78 with variational ones. The best validation losses "
            "were closer: 2.78, 2.79, 2.74 and 2.74. So dropout mostly delayed overfitting; fresh and variational masks did "
            "not differ here."
        ),
        (
            Variant("none", Sentence("no dropout"), SMALL),
            Variant("depth", Sentence("along depth"), SMALL.with_changes(depth_dropout=0.4, time_mask="fresh")),
            Variant(
                "time",
                Sentence("along time, a mask for each time step"),
                SMALL.with_changes(time_dropout=0.4, time_mask="fresh"),
            ),
            Variant(
                "variational",
                Sentence("along time, one mask for each sequence"),
                SMALL.with_changes(time_dropout=0.4, time_mask="variational"),
            ),
        ),
    )


def _layers() -> Preset:
    return Preset(
        "layers",
        Sentence("One to four layers"),
        Sentence(
            "Compare the validation loss after the same number of steps, the number of parameters, and the gradient norms of "
            "the lowest layer."
        ),
        Sentence(
            "After 500 steps the validation loss was 2.06, 2.02, 2.36 and 2.50 with 1, 2, 3 and 4 layers, with 31,673, "
            "64,953, 98,233 and 131,513 parameters. At training step 0 the mean gradient norm of the lowest layer's hidden "
            "states was 0.015, 0.0027, 0.0006 and 0.0001: three and four layers began to learn later. The second layer "
            "helped little; more steps may change the order."
        ),
        tuple(
            Variant(f"layers-{count}", Sentence("layers: {count}", count=count), SOURCE.with_changes(layers=count))
            for count in (1, 2, 3, 4)
        ),
    )


def _tied() -> Preset:
    untied = RECALL.with_changes(embedding=48)
    return Preset(
        "tied",
        Sentence("Weight tying of embedding and output layer"),
        Sentence("Compare the number of parameters and how fast the accuracy rises."),
        Sentence(
            "Tying removed 8,160 of 35,306 parameters (one matrix of 170 × 48). It did not help here: the untied network was "
            "at 80% after 200 steps and at 100% after 400; the tied one first rose above chance level at step 500 and "
            "reached 87% after 1,500 steps. Press and Wolf (2017) measured gains in language models with much larger "
            "vocabularies."
        ),
        (
            Variant("untied", Sentence("untied"), untied),
            Variant("tied", Sentence("tied"), untied.with_changes(tied=True)),
        ),
    )


def _overfitting() -> Preset:
    few = SOURCE.with_changes(examples=120, validation_share=0.5, validate_every=25)
    return Preset(
        "overfitting",
        Sentence("Overfitting: little data and much data"),
        Sentence(
            "Compare the two curves of each run: where the validation loss rises while the training loss falls, the network "
            "memorizes its training data."
        ),
        Sentence(
            "With 60 sequences the validation loss was lowest at step 125 (2.62) and rose to 3.99 at step 500, while the "
            "training loss fell to 0.62. With 4,000 sequences both still fell at step 500 (2.18 and 2.16)."
        ),
        (
            Variant("small", Sentence("60 sequences to train on"), few),
            Variant(
                "large",
                Sentence("4,000 sequences to train on"),
                few.with_changes(examples=4060, validation_share=60 / 4060),
            ),
        ),
    )


PRESETS: tuple[Preset, ...] = (_clipping(), _cells(), _dropout(), _layers(), _tied(), _overfitting())
"""In the order of the menu. What happened was measured with seed 0, torch 2.13 on a CPU; another machine may differ."""
