"""The settings of a run as lines of Keras and of PyTorch: the same program under both libraries' names."""

from __future__ import annotations

from dataclasses import dataclass

from models.training.training_options import TrainingOptions

KERAS_CELLS = {"RNN": "SimpleRNN", "LSTM": "LSTM", "GRU": "GRU"}
KERAS_INITIAL = {"uniform": "RandomUniform(-{scale:g}, {scale:g})", "normal": "RandomNormal(stddev={scale:g})"}
KERAS_OPTIMIZERS = {
    "Adam": ("epsilon=1e-08",),
    "AdamW": ("epsilon=1e-08",),
    "RMSprop": ("rho=0.99", "epsilon=1e-08"),
    "Adagrad": ("initial_accumulator_value=0.0", "epsilon=1e-10"),
}
"""Arguments with which a Keras optimizer has PyTorch's defaults."""


@dataclass(frozen=True)
class FrameworkLines:
    """A program's lines.

    Attributes:
        keras: of Keras 3.
        pytorch: of PyTorch.
        differences: names of the settings that one of the two has no argument for, so that its lines lack them.
    """

    keras: tuple[str, ...]
    pytorch: tuple[str, ...]
    differences: tuple[str, ...]


def settings_lines(options: TrainingOptions, inputs: int = 0, outputs: int = 0) -> FrameworkLines:
    """Return the lines that build, compile and train the same network.

    Args:
        options: the settings.
        inputs: V symbols or D values; 0 to write V or D.
        outputs: of the output layer; 0 to write V, C or D.
    """
    return FrameworkLines(
        (*_keras_layers(options, inputs, outputs), *_keras_training(options)),
        (*_pytorch_layers(options, inputs, outputs), *_pytorch_training(options)),
        _differences(options),
    )


def _sizes(options: TrainingOptions, inputs: int, outputs: int) -> tuple[str, str]:
    letter = "D" if options.task == "series" else "V"
    return str(inputs or letter), str(outputs or ("C" if options.task == "sentiment" else letter))


def _keras_layers(options: TrainingOptions, inputs: int, outputs: int) -> list[str]:
    v, out = _sizes(options, inputs, outputs)
    lines = [f"keras.utils.set_random_seed({options.seed})", "model = keras.Sequential(["]
    if options.task != "series":
        lines.append(
            f"    layers.Embedding({v}, {options.embedding}),"
            if options.embedding
            else f"    # one-hot inputs of size {v}"
        )
    keras_masks = options.time_mask == "keras"
    between = "Dropout" if options.time_mask == "fresh" else "SpatialDropout1D"
    if options.input_dropout and not keras_masks:
        lines.append(f"    layers.{between}({options.input_dropout:g}),")
    for level in range(options.layers):
        rate = options.input_dropout if level == 0 else options.depth_dropout
        if level and rate and not keras_masks:
            lines.append(f"    layers.{between}({rate:g}),")
        arguments = [str(options.units)]
        if level < options.layers - 1 or options.task != "sentiment":
            arguments.append("return_sequences=True")
        if rate and keras_masks:
            arguments.append(f"dropout={rate:g}")
        if options.time_dropout and keras_masks:
            arguments.append(f"recurrent_dropout={options.time_dropout:g}")
        arguments += _keras_initial(options)
        lines.append(f"    layers.{KERAS_CELLS[options.cell]}({', '.join(arguments)}),")
    activation = "" if options.task == "series" else ', activation="softmax"'
    return [*lines, f"    layers.Dense({out}{activation}),", "])"]


def _keras_initial(options: TrainingOptions) -> list[str]:
    found = []
    if options.initialization in KERAS_INITIAL:
        drawn = "initializers." + KERAS_INITIAL[options.initialization].format(scale=options.initial_scale)
        found = [f"kernel_initializer={drawn}", f"recurrent_initializer={drawn}"]
    if options.cell == "LSTM":
        forget = options.forget_bias
        if forget == 0 or (forget is None and options.initialization != "keras"):
            found.append("unit_forget_bias=False")
    return found


def _keras_training(options: TrainingOptions) -> list[str]:
    arguments = [f"learning_rate={options.rate:g}"]
    if options.momentum:
        arguments.append(f"momentum={options.momentum:g}")
    if options.optimizer == "AdamW":
        arguments.append(f"weight_decay={options.weight_decay:g}")
    arguments += KERAS_OPTIMIZERS.get(options.optimizer, ())
    if options.clipping == "norm":
        arguments.append(f"global_clipnorm={options.clip_threshold:g}")
    elif options.clipping == "value":
        arguments.append(f"clipvalue={options.clip_threshold:g}")
    loss = "mse" if options.task == "series" else "sparse_categorical_crossentropy"
    metrics = "" if options.task == "series" else ', metrics=["accuracy"]'
    lines = [
        f'model.compile(keras.optimizers.{options.optimizer}({", ".join(arguments)}), loss="{loss}"{metrics})',
    ]
    callbacks = ""
    if options.patience:
        lines.append(
            f'stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience={options.patience}, '
            f"min_delta={options.min_delta:g})"
        )
        callbacks = ", callbacks=[stop]"
    length = f"epochs={options.epochs}" if not options.steps else f"epochs=1, steps_per_epoch={options.steps}"
    lines.append(
        f"model.fit(x, y, batch_size={options.batch}, {length}, validation_split={options.validation_share:g}{callbacks})"
    )
    return lines


def _pytorch_layers(options: TrainingOptions, inputs: int, outputs: int) -> list[str]:
    v, out = _sizes(options, inputs, outputs)
    lines, width = [f"torch.manual_seed({options.seed})"], v
    if options.task != "series" and options.embedding:
        lines.append(f"embedding = nn.Embedding({v}, {options.embedding})")
        width = str(options.embedding)
    elif options.task != "series":
        lines.append(f"embedding = nn.Embedding.from_pretrained(torch.eye({v}))  # one-hot, not trained")
    if options.input_dropout and options.time_mask == "fresh":
        lines.append(f"input_dropout = nn.Dropout({options.input_dropout:g})")
    depth = options.depth_dropout if options.time_mask == "fresh" else 0
    layers = f", num_layers={options.layers}" if options.layers > 1 else ""
    dropout = f", dropout={depth:g}" if depth else ""
    lines.append(f"rnn = nn.{options.cell}({width}, {options.units}{layers}, batch_first=True{dropout})")
    lines.append(f"head = nn.Linear({options.units}, {out})")
    if options.tied:
        lines.append("embedding.weight = head.weight")
    if options.forget_bias is not None:
        rows = f"{options.units}:{2 * options.units}"
        lines.append(f"rnn.bias_ih_l0.data[{rows}] = {options.forget_bias:g}; rnn.bias_hh_l0.data[{rows}] = 0")
    return lines


def _pytorch_training(options: TrainingOptions) -> list[str]:
    arguments = [f"lr={options.rate:g}"]
    if options.momentum:
        arguments.append(f"momentum={options.momentum:g}")
    if options.weight_decay or options.optimizer == "AdamW":
        arguments.append(f"weight_decay={options.weight_decay:g}")
    lines = [f"optimizer = torch.optim.{options.optimizer}(parameters, {', '.join(arguments)})"]
    if options.bptt_length:
        lines.append(f"state = state.detach()  # after each {options.bptt_length} time steps")
    lines.append("loss.backward()")
    if options.clipping == "norm":
        lines.append(f"nn.utils.clip_grad_norm_(parameters, {options.clip_threshold:g})")
    elif options.clipping == "value":
        lines.append(f"nn.utils.clip_grad_value_(parameters, {options.clip_threshold:g})")
    return [*lines, "optimizer.step()"]


def _differences(options: TrainingOptions) -> tuple[str, ...]:
    """Return the names of settings without an argument in Keras or in PyTorch."""
    found = {
        "tied": options.tied,
        "bptt_length": options.bptt_length > 0,
        "input_dropout": options.input_dropout > 0 and options.time_mask != "fresh",
        "depth_dropout": options.depth_dropout > 0 and options.layers > 1 and options.time_mask != "fresh",
        "time_dropout": options.time_dropout > 0,
        "zoneout": options.zoneout > 0,
        "zoneout_cell": options.zoneout_cell > 0,
        "patience": options.patience > 0,
        "weight_decay": options.weight_decay > 0 and options.optimizer != "AdamW",
        "forget_bias": options.forget_bias not in (None, 0.0, 1.0),
        "initialization": options.initialization in ("pytorch", "orthogonal", "keras"),
    }
    return tuple(name for name, differs in found.items() if differs)
