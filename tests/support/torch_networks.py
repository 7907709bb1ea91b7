"""Networks of torch's own layers, drawn layer by layer, that torch.jit.script, torch.jit.trace and torch.export accept."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

V, WIDTH, STEPS, BATCH = 9, 4, 6, 2


class Recurrent(nn.Module):
    """One of torch's recurrent layers, whose input is (B, T, D); ``state`` is its own, which is trained, or None."""

    def __init__(self, kind: str, width: int, options: dict, own_state: bool) -> None:
        super().__init__()
        made = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}[kind](width, 3, **options)
        self.rnn = made
        self.turned = not made.batch_first
        own = nn.init.normal_(torch.empty(made.num_layers * (1 + made.bidirectional), 1, 3))
        self.state = nn.Parameter(own) if own_state and kind != "LSTM" else None
        self.width = (made.proj_size or 3) * (1 + made.bidirectional)

    def forward(self, x: Tensor, earlier: list[Tensor]) -> Tensor:
        if self.turned:
            x = x.transpose(0, 1)
        if self.state is not None:
            y = self.rnn(x, self.state.expand(-1, x.shape[1] if self.turned else x.shape[0], -1).contiguous())[0]
        else:
            y = self.rnn(x)[0]
        return y.transpose(0, 1) if self.turned else y


class Stack(nn.Module):
    """Layers that keep the width, or change it to ``width``; ``turned``: they take (B, D, T)."""

    def __init__(self, turned: bool, width: int, *layers: nn.Module) -> None:
        super().__init__()
        self.turned, self.width = turned, width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, earlier: list[Tensor]) -> Tensor:
        if self.turned:
            return self.layers(x.transpose(1, 2)).transpose(1, 2)
        return self.layers(x)


class Attention(nn.Module):
    """Attention of each step over the steps before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, earlier: list[Tensor]) -> Tensor:
        scores = torch.bmm(x, x.transpose(1, 2)) / float(self.width) ** 0.5
        hidden = torch.ones(x.shape[1], x.shape[1]).triu(1) > 0
        return torch.softmax(scores.masked_fill(hidden, -1e9), -1) @ x


class Mixed(nn.Module):
    """Functions without parameters."""

    def __init__(self, pick: int, width: int) -> None:
        super().__init__()
        self.pick = pick
        self.width = {3: width + 1, 5: 2 * width}.get(pick, width)

    def forward(self, x: Tensor, earlier: list[Tensor]) -> Tensor:
        if self.pick == 0:
            return x * torch.sigmoid(x) + x.mean(dim=1, keepdim=True)
        if self.pick == 1:
            return torch.where(x > 0, x, 0.1 * x).cumsum(1)
        if self.pick == 2:
            return F.dropout(F.gelu(x), 0.5, self.training) - x.amax(-1, keepdim=True)
        if self.pick == 3:
            return F.pad(x, [0, 1])
        if self.pick == 4:
            x = x.clone()
            x[:, 0] = 0.5
            return F.relu_(x)
        if self.pick == 5:
            first, second = x.split(3, dim=1)
            return torch.cat([torch.cat([second, first], 1), x.flip(1)], -1)
        mask = torch.arange(x.shape[1]) < 4
        return F.normalize(x * mask.unsqueeze(-1).to(x.dtype), dim=-1)


class Branch(nn.Module):
    """A sum with what an earlier layer returned, or a concatenation where the widths differ."""

    def __init__(self, index: int, widths: list[int]) -> None:
        super().__init__()
        self.index = index % len(widths)
        self.adds = widths[self.index] == widths[-1]
        self.width = widths[-1] if self.adds else widths[-1] + widths[self.index]

    def forward(self, x: Tensor, earlier: list[Tensor]) -> Tensor:
        if self.adds:
            return x + earlier[self.index]
        return torch.cat([x, earlier[self.index]], -1)


class Unknown(nn.Module):
    """A layer of an operator that cannot be run."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, earlier: list[Tensor]) -> Tensor:
        return torch.special.i0e(x)


class Network(nn.Module):
    """Layers that are drawn at random, after an embedding if the input is ids, and a readout."""

    def __init__(self, seed: int, ids: bool, layers: list, how: str) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(V, WIDTH) if ids else nn.Identity()
        widths, made = [WIDTH], []
        for name, *arguments in layers:
            made.append(_layer(name, arguments, widths))
            widths.append(made[-1].width)
        self.stages = nn.ModuleList(made)
        self.how = how
        for part in self.modules():
            if isinstance(part, nn.BatchNorm1d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embedding(x)
        earlier = [x]
        for layer in self.stages:
            x = layer(x, earlier)
            earlier.append(x)
        if self.how == "last":
            return x[:, -1]
        if self.how == "mean":
            return x.mean(1)
        if self.how == "max":
            return x.max(dim=1)[0]
        return x


def _layer(name: str, arguments: list, widths: list[int]) -> nn.Module:
    width = widths[-1]
    match name:
        case "recurrent":
            return Recurrent(arguments[0], width, arguments[1], arguments[2])
        case "dense":
            return Stack(False, 5, nn.Linear(width, 5, bias=arguments[0]), nn.Dropout(0.3))
        case "convolution":
            pool = [nn.Identity(), nn.MaxPool1d(3, 1, 1), nn.AvgPool1d(3, 1, 1)][arguments[1]]
            convolution = nn.Conv1d(width, 4, 3, padding=2, dilation=2, bias=arguments[0])
            return Stack(True, 4, convolution, nn.BatchNorm1d(4), pool)
        case "norm":
            norms = [nn.LayerNorm(width), nn.LayerNorm(width, elementwise_affine=False)]
            return Stack(False, width, norms[arguments[0]])
        case "activation":
            return Stack(False, width, getattr(nn, arguments[0])())
        case "attention":
            return Attention(width)
        case "mixed":
            return Mixed(arguments[0], width)
        case "branch":
            return Branch(arguments[0], widths)
    return Unknown(width)


OPTIONS = st.fixed_dictionaries({
    "num_layers": st.integers(1, 2), "bidirectional": st.booleans(), "bias": st.booleans(), "batch_first": st.booleans(),
})  # fmt: skip
RECURRENT = st.one_of(
    st.tuples(st.just("recurrent"), st.sampled_from(["LSTM", "GRU", "RNN"]), OPTIONS, st.booleans()),
    st.tuples(st.just("recurrent"), st.just("LSTM"), OPTIONS.map(lambda each: each | {"proj_size": 2}), st.just(False)),
    st.tuples(
        st.just("recurrent"), st.just("RNN"), OPTIONS.map(lambda each: each | {"nonlinearity": "relu"}), st.booleans()
    ),
)
LAYERS = st.one_of(
    RECURRENT,
    st.tuples(st.just("dense"), st.booleans()),
    st.tuples(st.just("convolution"), st.booleans(), st.integers(0, 2)),
    st.tuples(st.just("norm"), st.integers(0, 1)),
    st.tuples(
        st.just("activation"),
        st.sampled_from(["ReLU", "Tanh", "Sigmoid", "ELU", "GELU", "SiLU", "LeakyReLU", "Softplus", "Hardtanh", "Mish",
                         "LogSigmoid", "Softsign", "Tanhshrink", "PReLU", "SELU", "Hardswish"]),
    ),
    st.tuples(st.just("attention")),
    st.tuples(st.just("mixed"), st.integers(0, 6)),
    st.tuples(st.just("branch"), st.integers(0, 5)),
)  # fmt: skip
NETWORKS = st.tuples(
    st.integers(0, 1000), st.booleans(), st.lists(LAYERS, min_size=1, max_size=5),
    st.sampled_from(["all", "last", "mean", "max"]), st.none() | st.none() | st.integers(0, 4),
)  # fmt: skip
"""Arguments of ``drawn_network``."""


def drawn_network(
    seed: int, ids: bool, layers: list, how: str, unknown: int | None
) -> tuple[Network, Tensor, str | None]:
    """Return a network in evaluation mode, an input, and the path of its first layer that cannot be run."""
    refused = None
    if unknown is not None and unknown < len(layers):
        layers = [*layers[:unknown], ("unknown",), *layers[unknown:]]
        refused = f"stages.{unknown}"
    net = Network(seed, ids, layers, how).eval()
    shape = (BATCH, STEPS) if ids else (BATCH, STEPS, WIDTH)
    x = torch.randint(V, shape) if ids else torch.randn(shape)
    return net, x, refused


def recurrent_names(layers: list) -> list[str]:
    """Return the names of a drawn network's recurrent layers in running order."""
    return [
        f"stages.{index}.rnn.l{level}{end}"
        for index, (name, *arguments) in enumerate(layers)
        if name == "recurrent"
        for level in range(arguments[1]["num_layers"])
        for end in ("", "_reverse")[: 1 + arguments[1]["bidirectional"]]
    ]


class Classifier(nn.Module):
    """An embedding, a bidirectional LSTM, a norm and class scores."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(V, 4)
        self.rnn = nn.LSTM(4, 5, bidirectional=True, batch_first=True)
        self.norm = nn.BatchNorm1d(10)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.log_softmax(self.head(self.norm(self.rnn(self.embedding(x))[0][:, -1])), -1)


IDS = torch.arange(12).reshape(2, 6) % V
"""The classifier's input."""


class LinearCell(nn.Module):
    """A recurrent cell of linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.new = nn.Linear(9, 5), nn.Linear(9, 5)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        joined = torch.cat([x, h], 1)
        z = torch.sigmoid(self.gate(joined))
        return z * h + (1 - z) * torch.tanh(self.new(joined))


class LayerAndCell(nn.Module):
    """A GRU, then a cell of its own code."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.cell = nn.GRU(4, 4), LinearCell()

    def forward(self, x: Tensor) -> Tensor:
        y = self.rnn(x)[0]
        h = torch.zeros(x.shape[1], 5)
        for step in range(3):
            h = self.cell(y[step], h)
        return h
