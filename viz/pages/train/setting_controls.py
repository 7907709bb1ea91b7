"""Controls of the settings of a training run: a widget for each field of ``TrainingOptions``, grouped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from models.training.bundled_tasks import DEFAULT_EXAMPLES
from models.training.setting_titles import SETTING_TITLES
from models.training.trained_network import TASK_NAMES
from models.training.training_options import CHOICES, TrainingOptions
from viz.i18n import _, language, translate
from viz.pages.synced_widget import MAX_NUMBER, synced_widget
from viz.pages.view_widgets import OptionFormat, view_choice
from viz.session import get_session

DATA = "train_own_data"
"""In the session state: the reader's own text or series, if it is too long for a link."""

MAX_LINK = 2000
"""Characters of the settings in a link at most; data that make them longer are left out of it."""

LIBRARY_NAMES: dict[str, tuple[str, str]] = {
    "cell": ("nn.RNN, nn.LSTM, nn.GRU", "SimpleRNN, LSTM, GRU"),
    "units": ("hidden_size", "units"),
    "layers": ("num_layers", "return_sequences=True"),
    "embedding": ("nn.Embedding(embedding_dim)", "Embedding(output_dim)"),
    "tied": ("embedding.weight = head.weight", "Embedding, Dense"),
    "optimizer": ("torch.optim", "keras.optimizers"),
    "momentum": ("momentum", "momentum"),
    "rate": ("lr", "learning_rate"),
    "weight_decay": ("weight_decay", "weight_decay"),
    "batch": ("DataLoader(batch_size)", "fit(batch_size)"),
    "epochs": ("for epoch in range(epochs)", "fit(epochs)"),
    "steps": ("for step in range(steps)", "fit(steps_per_epoch)"),
    "bptt_length": ("state.detach()", "stateful=True"),
    "validation_share": ("random_split", "fit(validation_split)"),
    "clipping": ("clip_grad_norm_, clip_grad_value_", "global_clipnorm, clipvalue"),
    "clip_threshold": ("max_norm, clip_value", "global_clipnorm, clipvalue"),
    "input_dropout": ("nn.Dropout", "dropout"),
    "depth_dropout": ("nn.LSTM(dropout)", "Dropout"),
    "time_dropout": ("h * mask", "recurrent_dropout"),
    "forget_bias": ("bias_ih_l0, bias_hh_l0", "unit_forget_bias"),
    "initialization": ("nn.init", "kernel_initializer, recurrent_initializer"),
    "patience": ("if wait >= patience: break", "EarlyStopping(patience)"),
    "min_delta": ("if loss < best - min_delta", "EarlyStopping(min_delta)"),
    "seed": ("torch.manual_seed", "keras.utils.set_random_seed"),
}
"""What PyTorch and Keras call a setting, or the line that does the same."""


@dataclass(frozen=True)
class Group:
    """Settings that are shown together; ``rows`` are the names of the fields of each row."""

    title: Callable[[], str]
    rows: tuple[tuple[str, ...], ...]


FIRST = (
    ("task", "cell", "units", "layers"),
    ("optimizer", "rate", "batch", "epochs"),
    ("clipping", "clip_threshold", "distance", "sequence_length", "level"),
)
"""The settings that are always shown."""

GROUPS = (
    Group(
        lambda: _("Data and duration"),
        (("examples", "validation_share", "validate_every", "steps"), ("bptt_length", "minutes", "seed")),
    ),
    Group(
        lambda: _("Network"),
        (("embedding", "tied", "initialization", "initial_scale"), ("forget_bias", "momentum", "weight_decay")),
    ),
    Group(
        lambda: _("Dropout and zoneout"),
        (("input_dropout", "depth_dropout", "time_dropout", "time_mask"), ("zoneout", "zoneout_cell")),
    ),
    Group(
        lambda: _("Early stopping and recording"),
        (("patience", "min_delta", "record_every", "snapshots"),),
    ),
)
"""The settings that are folded at first."""


def next_options() -> TrainingOptions:
    """Return the settings of the next run of this reader."""
    options = view_choice("training", SETTINGS, TrainingOptions(), _can_be_shown)
    return options.with_changes(data=options.data or st.session_state.get(DATA, ""))


def is_too_long_for_link(options: TrainingOptions) -> bool:
    """Return whether the data of a run are too long for a link, so that only the session has them."""
    return len(SETTINGS.format(options)) > MAX_LINK


def keep_options(options: TrainingOptions) -> None:
    """Make these the settings of the next run: in the view, data that are too long for a link in the session state."""
    in_link = options
    st.session_state.pop(DATA, None)
    if is_too_long_for_link(options):
        st.session_state[DATA] = options.data
        in_link = options.with_changes(data="")
    text = SETTINGS.format(in_link)
    get_session().set_view_options(training=None if in_link == TrainingOptions() else text)


def set_options(**changes: Any) -> None:
    """Change settings of the next run; those that do not apply to the new ones return to their defaults."""
    keep_options(fitting(next_options().with_changes(**changes)))


def fitting(options: TrainingOptions) -> TrainingOptions:
    """Return settings of which those that do not apply have their defaults."""
    unused = {name: getattr(TrainingOptions(), name) for name in FOLLOWING if not applies(name, options)}
    return options.with_changes(**unused)


def _changed_settings(options: TrainingOptions) -> str:
    """Return the settings that differ from the defaults, as JSON."""
    default = TrainingOptions().to_dict()
    changed = {name: value for name, value in options.to_dict().items() if value != default[name]}
    return json.dumps(changed, ensure_ascii=False, separators=(",", ":"))


SETTINGS: OptionFormat[TrainingOptions] = OptionFormat(TrainingOptions.from_json, _changed_settings)
"""The settings of the next run in the address: a JSON object of those that differ from the defaults."""


def _can_be_shown(options: TrainingOptions) -> bool:
    """Return whether the controls can show the settings of a link, valid or not."""
    values = options.to_dict()
    chosen = all(values[name] in choices for name, choices in CHOICES.items())
    return chosen and all(
        abs(value) <= MAX_NUMBER for value in values.values() if isinstance(value, int | float)
    )  # of NaN it is false


FOLLOWING = ("forget_bias", "zoneout_cell", "momentum", "depth_dropout", "tied")
"""Settings that are only valid together with others."""


def applies(name: str, options: TrainingOptions) -> bool:
    """Return whether a setting has an effect together with the others."""
    own, lstm = options.task in ("text", "series"), options.cell == "LSTM"
    conditions = {
        "distance": options.task == "recall",
        "sequence_length": options.task in ("counting", "characters", "text", "series"),
        "level": options.task == "text",
        "data": own,
        "embedding": options.task != "series",
        "tied": options.task not in ("sentiment", "series"),
        "forget_bias": lstm,
        "zoneout_cell": lstm,
        "momentum": options.optimizer in ("SGD", "RMSprop"),
        "clip_threshold": options.clipping != "off",
        "depth_dropout": options.layers > 1,
        "time_mask": max(options.input_dropout, options.depth_dropout, options.time_dropout) > 0,
        "initial_scale": options.initialization in ("uniform", "normal"),
        "min_delta": options.patience > 0,
        "epochs": options.steps == 0,
    }
    return conditions.get(name, True)


def setting_rows(rows: Sequence[Sequence[str]], options: TrainingOptions) -> None:
    """Show the controls of the settings that apply, in rows."""
    for row in rows:
        shown = [name for name in row if applies(name, options)]
        if shown:
            for place, name in zip(st.columns(max(4, len(shown)), vertical_alignment="bottom"), shown, strict=False):
                with place:
                    _control(name, options)


def setting_title(name: str) -> str:
    """Return the title of a setting with a capital letter."""
    title = translate(SETTING_TITLES[name])
    return title[:1].upper() + title[1:]


def meaning_of_zero(name: str, options: TrainingOptions) -> str | None:
    """Return the meaning of 0 where it is a special value of a setting; None for another setting."""
    count = DEFAULT_EXAMPLES.get(options.task)
    return {
        "examples": _("0: all sequences of the data")
        if count is None
        else _("0: {n:,} sequences, the number of this task").format(n=count),
        "validate_every": _("0: at the end of each epoch"),
        "steps": _("0: as many as the epochs have"),
        "bptt_length": _("0: off, the backward pass goes through all time steps"),
        "embedding": _("0: one-hot inputs"),
        "patience": _("0: off, training goes on to the last step"),
    }.get(name)


def _control(name: str, options: TrainingOptions) -> None:
    """Show the control of one setting with its value."""
    value, libraries, zero = getattr(options, name), LIBRARY_NAMES.get(name), meaning_of_zero(name, options)
    notes = [] if zero is None else [zero]
    if libraries is not None:
        notes.append(f"PyTorch: `{libraries[0]}` · Keras: `{libraries[1]}`")
    settings: dict[str, Any] = {
        "key": f"train_{name}",
        "value": value,
        "changed": partial(_changed, name),
        "help": "  \n".join(notes) or None,
    }
    title = setting_title(name)
    if name in CHOICES:
        titles = choice_titles(name)
        synced_widget(
            st.selectbox, title, list(titles), initial_argument="index", format_func=titles.__getitem__, **settings
        )
    elif isinstance(value, bool):
        synced_widget(st.toggle, title, **settings)
    elif isinstance(value, int):
        synced_widget(st.number_input, title, step=1, **settings)
    else:
        place = _("as drawn") if name == "forget_bias" else None
        synced_widget(st.number_input, title, format="%g", step=None, placeholder=place, **settings)


def _changed(name: str, value: Any) -> None:
    if value is None and name != "forget_bias":  # an emptied field
        value = getattr(TrainingOptions(), name)
    if name == "task":
        set_options(task=value, data="")
    else:
        set_options(**{name: value})


def choice_titles(name: str) -> dict[str, str]:
    """Return the titles of the values of a setting that is a choice, in order."""
    if name == "task":
        return {task: TASK_NAMES[task][language()] for task in CHOICES["task"]}
    titles = {
        "characters": _("characters"),
        "words": _("words"),
        "off": _("off"),
        "norm": _("by the norm"),
        "value": _("by value"),
        "fresh": _("a mask for each time step"),
        "variational": _("one mask for each sequence (variational)"),
        "keras": _("one mask for each sequence and gate (Keras)"),
        "orthogonal": _("orthogonal W_hh"),
        "uniform": _("uniform"),
        "normal": _("normal"),
        "pytorch": "PyTorch",
    }
    if name == "initialization":
        titles["keras"] = "Keras"
    return {value: titles.get(value, value) for value in CHOICES[name]}
