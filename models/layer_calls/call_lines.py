"""A call as lines of Keras and of PyTorch, which compute the same tensors.

The lines expect ``sequences``, a list of arrays or tensors (T, D), or (T) ids, and the usual imports: ``IMPORTS``.
"""

from __future__ import annotations

from models.layer_calls.call_run import CallRun
from models.layer_calls.call_weights import EMBEDDING_BOUND, has_forget_bias
from models.layer_calls.returned_tensors import (
    has_pytorch_layer,
    has_result_line,
    is_one_module,
    keras_tensors,
    pytorch_tensors,
)

IMPORTS = {
    "keras": ("import keras, numpy as np", "from keras import initializers, layers"),
    "pytorch": ("import torch", "from torch import nn"),
}
"""The imports that the lines need."""

KERAS_LAYERS = {"RNN": "SimpleRNN", "LSTM": "LSTM", "GRU": "GRU"}

MERGE_LINES = {
    "concat": "torch.cat([{0}, {1}], -1)",
    "sum": "{0} + {1}",
    "ave": "({0} + {1}) / 2",
    "mul": "{0} * {1}",
}
"""How PyTorch joins two directions."""


def keras_lines(run: CallRun) -> list[str]:
    """Return the call as lines of Keras 3."""
    call, given = run.call, run.given
    lines = [] if call.initialization == "constant" else [f"keras.utils.set_random_seed({call.seed})"]
    padded = ", ".join(
        ["sequences"]
        + ([f"maxlen={call.maxlen}"] if call.maxlen else [])
        + [f'padding="{call.padding}"', f'truncating="{call.truncating}"']
    )
    name = "ids" if call.source == "text" else "x"
    if given.is_changed:
        dtype = "" if call.source == "text" else ', dtype="float32"'
        lines.append(f"{name} = keras.utils.pad_sequences({padded}{dtype})")
    else:
        lines.append(f"{name} = np.stack(sequences)")
    if call.source == "text":
        lines.append(f"x = layers.Embedding({given.rows}, {call.embedding}{', mask_zero=True' * run.is_masked})(ids)")
    value = "x"
    if run.is_masked:
        ones = padded.replace("sequences", "[np.ones(len(each)) for each in sequences]", 1)
        lines.append("mask = ids != 0" if call.source == "text" else f"mask = keras.utils.pad_sequences({ones}) != 0")
    for level in range(call.layers):
        last = level == call.layers - 1
        name = "layer" if call.layers == 1 else f"layer{level + 1}"
        lines.append(f"{name} = {_keras_layer(run, level, last)}")
        mask = ", mask=mask" if run.is_masked else ""
        if not last:
            lines.append(f"x{level + 1} = {name}({value}{mask})")
            value = f"x{level + 1}"
            continue
        names = ", ".join(each.name for each in keras_tensors(run))
        lines.append(f"{names} = {name}({value}{mask})")
    return lines


def _keras_layer(run: CallRun, level: int, last: bool) -> str:
    call = run.call
    arguments = [str(call.units)]
    if call.return_sequences or not last:
        arguments.append("return_sequences=True")
    if call.return_state and last:
        arguments.append("return_state=True")
    if call.go_backwards and level == 0:
        arguments.append("go_backwards=True")
    if not call.use_bias:
        arguments.append("use_bias=False")
    if call.cell == "GRU" and not call.reset_after:
        arguments.append("reset_after=False")
    drawn = {
        "constant": f"initializers.Constant({call.constant:g})",
        "pytorch": f"initializers.RandomUniform({-(call.units**-0.5):.4g}, {call.units**-0.5:.4g})",
    }.get(call.initialization)
    if drawn is not None:
        names = ["kernel_initializer", "recurrent_initializer"]
        names += ["bias_initializer"] if call.initialization == "pytorch" and call.use_bias else []
        arguments += [f"{name}={drawn}" for name in names]
    if call.cell == "LSTM" and call.use_bias and not has_forget_bias(call):
        arguments.append("unit_forget_bias=False")
    layer = f"layers.{KERAS_LAYERS[call.cell]}({', '.join(arguments)})"
    if not call.merge:
        return layer
    return f"layers.Bidirectional({layer}" + ("" if call.merge == "concat" else f', merge_mode="{call.merge}"') + ")"


def pytorch_lines(run: CallRun) -> list[str]:
    """Return the call as lines of PyTorch; none if it has no such layer."""
    if not has_pytorch_layer(run):
        return []
    modules = _modules(run)
    lines = [] if run.call.initialization == "constant" else [f"torch.manual_seed({run.call.seed})"]
    if run.call.source == "text":
        if run.call.initialization == "constant":
            lines.append(f"torch.manual_seed({run.call.seed})")
        lines.append(f"embedding = nn.Embedding({run.given.rows}, {run.call.embedding})")
    return [*lines, *modules, *_initial_lines(run), *_pytorch_input(run), *_pytorch_call(run)]


def _module_names(run: CallRun) -> list[str]:
    return ["rnn"] if is_one_module(run) else [f"rnn{level + 1}" for level in range(run.call.layers)]


def _modules(run: CallRun) -> list[str]:
    call, lines = run.call, []
    sizes = call.input_sizes(run.x.shape[2])
    for name, size in zip(_module_names(run), sizes, strict=False):
        arguments = [str(size), str(call.units)]
        if call.layers > 1 and is_one_module(run):
            arguments.append(f"num_layers={call.layers}")
        if not call.use_bias:
            arguments.append("bias=False")
        if call.batch_first:
            arguments.append("batch_first=True")
        if call.merge:
            arguments.append("bidirectional=True")
        lines.append(f"{name} = nn.{call.cell}({', '.join(arguments)})")
    return lines


def _initial_lines(run: CallRun) -> list[str]:
    call = run.call
    lines = []
    if call.source == "text" and call.initialization != "pytorch":
        lines.append(f"nn.init.uniform_(embedding.weight, {-EMBEDDING_BOUND:g}, {EMBEDDING_BOUND:g})")
    if call.initialization == "pytorch":
        return lines
    names = _module_names(run)
    parameters = f"{names[0]}.named_parameters()"
    if len(names) > 1:
        parameters = f"nn.ModuleList([{', '.join(names)}]).named_parameters()"
    lines.append(f"for name, values in {parameters}:")
    if call.initialization == "constant":
        lines.append(f'    nn.init.constant_(values, {call.constant:g} if "weight" in name else 0.0)')
    else:
        lines += [
            '    if "weight_ih" in name: nn.init.xavier_uniform_(values)',
            '    elif "weight_hh" in name: nn.init.orthogonal_(values)',
            "    else: nn.init.zeros_(values)",
        ]
    if has_forget_bias(call):
        rows = f"{call.units}:{2 * call.units}"
        lines.append(f'    if "bias_ih" in name: values.data[{rows}] = 1.0  # unit_forget_bias')
    return lines


def _pytorch_input(run: CallRun) -> list[str]:
    call, given = run.call, run.given
    cut = "s"
    if any(len(each) > given.length for each in given.sequences):
        cut = f"s[-{given.length}:]" if call.truncating == "pre" else f"s[:{given.length}]"
    rows = f"embedding({cut})" if call.source == "text" else cut
    if run.is_masked:
        rows += ".flip(0)" * call.go_backwards
        return [f"x = nn.utils.rnn.pack_sequence([{rows} for s in sequences], enforce_sorted=False)"]
    values = cut
    if given.is_padded:
        missing = f"{given.length} - len({cut})"
        sides = f"{missing}, 0" if call.padding == "pre" else f"0, {missing}"
        if call.source != "text":
            sides = f"0, 0, {sides}"
        values = f"nn.functional.pad({cut}, ({sides}))"
    batch = "torch.stack(sequences)" if values == "s" else f"torch.stack([{values} for s in sequences])"
    if call.source == "text":
        batch = f"embedding({batch})"
    batch += ".flip(1)" * call.go_backwards + ".transpose(0, 1)" * (not call.batch_first)
    return [f"x = {batch}"]


def _pytorch_call(run: CallRun) -> list[str]:
    call, names, lines, value = run.call, _module_names(run), [], "x"
    first = ", batch_first=True" if call.batch_first else ""
    unpack = f"output, lengths = nn.utils.rnn.pad_packed_sequence(output{first})"
    for name in names[:-1]:
        lines.append(f"output, _ = {name}({value})")
        if run.is_masked:
            lines.append(unpack)
        lines.append(f"output = {_joined_output(run)}")
        if run.is_masked:
            lines.append(f"output = nn.utils.rnn.pack_padded_sequence(output, lengths{first}, enforce_sorted=False)")
        value = "output"
    states = [each.name for each in pytorch_tensors(run) if each.name.endswith("_n")]
    ends = f"({', '.join(states)})" if len(states) > 1 else states[0]
    lines.append(f"output, {ends} = {names[-1]}({value})")
    if run.is_masked:
        lines.append(unpack)
    if has_result_line(run):
        if call.return_sequences:
            result = _joined_output(run)
        else:
            result = MERGE_LINES[call.merge].format("h_n[-2]", "h_n[-1]") if call.merge else "h_n[-1]"
        lines.append(f"result = {result}")
    return lines


def _joined_output(run: CallRun) -> str:
    """Return the line that joins the two directions of ``output``, which PyTorch has concatenated."""
    units = run.call.units
    return MERGE_LINES[run.call.merge].format(f"output[..., :{units}]", f"output[..., {units}:]")
