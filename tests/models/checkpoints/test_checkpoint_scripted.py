"""Archives that hold code beside tensors, and quantized modules: the tensors are read, the code is not."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from tests.models.checkpoints.test_checkpoint_pytorch import KINDS, same

pytestmark = pytest.mark.filterwarnings("ignore")


class Reader(nn.Module):
    """A stack and a decoder, as TorchScript can read them."""

    def __init__(self, kind, **options):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = KINDS[kind](num_layers=2, batch_first=True, **options)
        self.decoder = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x)[0]


def scripted(net):
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    return file.getvalue()


def traced(net):
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, torch.zeros(2, 5, 3)), file)
    return file.getvalue()


def exported(net):
    file = io.BytesIO()
    torch.export.save(torch.export.export(net, (torch.zeros(2, 5, 3),)), file)
    return file.getvalue()


@pytest.mark.parametrize("save", [scripted, traced, exported])
@pytest.mark.parametrize(("kind", "options"), [("rnn", {}), ("gru", {}), ("lstm", {"bidirectional": True})])
def test_tensors_of_a_program(save, kind, options):
    net = Reader(kind, **options).eval()
    checkpoint = load_checkpoint(save(net))
    assert checkpoint.format == ("torch.export" if save is exported else "TorchScript")
    same(checkpoint, net.rnn)
    assert set(checkpoint.tensors) == {"decoder.weight", "decoder.bias"}


def test_the_code_of_an_archive_is_not_run(tmp_path):
    """Code that would write a file, and a module's state that would call for it, stay text."""
    path = tmp_path / "written"
    data, out = scripted(Reader("gru").eval()), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name.endswith(".py"):
                body = f"open({str(path)!r}, 'w').write('x')\n".encode() + body
            new.writestr(name, body)
    assert list(load_checkpoint(out.getvalue()).layers) == ["rnn.l0", "rnn.l1"]
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name.endswith("data.pkl"):
                new.writestr(name, f"cposix\nsystem\n(S'touch {path}'\ntR.".encode())
            else:
                new.writestr(name, old.read(name))
    with pytest.raises(CheckpointError, match=r"posix\.system"):
        load_checkpoint(out.getvalue())
    assert not path.exists()


@pytest.mark.parametrize(
    ("kind", "options"),
    [("lstm", {}), ("gru", {}), ("lstm", {"num_layers": 2}), ("gru", {"num_layers": 2, "bidirectional": True})],
)
def test_dynamically_quantized(kind, options):
    torch.manual_seed(0)
    net = nn.ModuleDict({"rnn": KINDS[kind](batch_first=True, **options), "decoder": nn.Linear(4, 2)}).eval()
    quantized = torch.ao.quantization.quantize_dynamic(net, {nn.LSTM, nn.GRU, nn.Linear})
    file = io.BytesIO()
    torch.save(quantized.state_dict(), file)
    checkpoint = load_checkpoint(file.getvalue())
    for name, layer in checkpoint.layers.items():
        suffix = name.removeprefix("rnn.")
        packed = {part: getattr(net["rnn"], f"{part}_{suffix}") for part in layer.arrays()}
        for part, values in layer.tensors.items():
            step = (packed[part].max() - packed[part].min()).item() / 255 if part.startswith("weight") else 0
            torch.testing.assert_close(values, packed[part].detach(), rtol=0, atol=step + 1e-6)
    directions = 2 if options.get("bidirectional") else 1
    assert len(checkpoint.layers) == options.get("num_layers", 1) * directions
    assert {"decoder.scale", "decoder._packed_params._packed_params.0"} <= set(checkpoint.tensors)
