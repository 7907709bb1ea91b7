"""A file of 1 GB on a budget of 2 GB: opened, judged and run without reading the layers that are not needed."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints import load_checkpoint
from models.checkpoints.building.build import build_network, compatible_parts, default_setup
from models.checkpoints.health import verdict
from models.decoding.run_network import run_network

ROOT = Path(__file__).parents[3]


def main(path: str) -> None:
    """Open, judge and run a file within 2 GB of memory, and print what was found as JSON."""
    resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(path)
    findings = verdict(checkpoint, layers=["rnn.l0"])
    network = build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "large")
    run = run_network(network, "3 1 4 1 5")
    memory = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    found = {
        "peak": int(memory["VmHWM"].split()[0]) << 10,
        "verdict": [str(finding) for finding in findings],
        "layers": list(run.trace.layers),
        "rows": checkpoint.stored["embedding.weight"].shape[0],
    }
    print(json.dumps(found))


def open_and_run(path):
    """Return what `main` finds in a process of its own."""
    command = [sys.executable, "-m", "tests.models.checkpoints.test_checkpoint_large", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-2000:]
    return json.loads(done.stdout)


def write_model(path, symbols):
    """Write a language model with an embedding of so many symbols: all 0, which takes no room in the file system."""
    parts = nn.ModuleDict({"rnn": nn.LSTM(1000, 16), "head": nn.Linear(16, 30)})
    data = save(parts.state_dict())
    length = int.from_bytes(data[:8], "little")
    header, values = json.loads(data[8 : 8 + length]), data[8 + length :]
    end = len(values) + symbols * 1000 * 4
    header["embedding.weight"] = {"dtype": "F32", "shape": [symbols, 1000], "data_offsets": [len(values), end]}
    head = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head + values)
        file.truncate(8 + len(head) + end)
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux's /proc")
def test_a_file_of_one_gigabyte(tmp_path):
    small = open_and_run(write_model(tmp_path / "small.safetensors", 100))
    path = write_model(tmp_path / "large.safetensors", 270_000)
    assert path.stat().st_size > 1 << 30
    large = open_and_run(path)
    assert large["rows"] == 270_000 and large["layers"] == ["rnn.l0"]
    assert any("embedding.weight" in sentence for sentence in large["verdict"])
    assert large["peak"] < small["peak"] + (200 << 20) < 2 << 30


if __name__ == "__main__":
    main(sys.argv[1])
