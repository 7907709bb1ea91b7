"""The callbacks of Lightning and Keras record the same numbers as a loop of one's own."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from models import load_checkpoint, open_run, watch
from tests.support.watched_loop import UPDATES, Net, batch_of, close

CLIP = 0.05


@pytest.mark.slow
def test_lightning_records_what_watch_records(tmp_path, monkeypatch):
    lightning = pytest.importorskip("pytorch_lightning", reason="Lightning is not installed")
    from models.runs.lightning_callback import RunCallback

    class Module(lightning.LightningModule):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch):
            return self(batch).pow(2).mean()

        def validation_step(self, batch):
            self.log("val_loss", self(batch).pow(2).mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.2)

    torch.manual_seed(0)
    net = Net("LSTM")
    plain = Module(copy.deepcopy(net))
    batches = [batch_of(update) for update in range(UPDATES)]
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, gradient_clip_val=CLIP, callbacks=[RunCallback(tmp_path / "lightning", every=2)],
    )  # fmt: skip
    module = Module(net)
    trainer.fit(module, *(torch.utils.data.DataLoader(part, batch_size=None) for part in (batches, batches[:2])))
    optimizer = plain.configure_optimizers()
    with watch(plain, tmp_path / "loop", every=2) as run:
        for x in batches:
            optimizer.zero_grad()
            loss = plain(x).pow(2).mean()
            loss.backward()
            run.step(loss=loss)
            nn.utils.clip_grad_norm_(plain.parameters(), CLIP)
            optimizer.step()
    with torch.no_grad():
        validation = np.mean([float(plain(x).pow(2).mean()) for x in batches[:2]])
    found, expected = open_run(tmp_path / "lightning"), open_run(tmp_path / "loop")
    assert found.status == "finished" and list(found.snapshots) == list(expected.snapshots)
    assert set(found.scalar_names) == {*expected.scalar_names, "loss/validation"}
    close(found.scalar("loss/validation")[1], [validation])
    for name in expected.scalar_names:
        assert found.scalar(name)[0].tolist() == expected.scalar(name)[0].tolist()
        close(found.scalar(name)[1], expected.scalar(name)[1])
    close(found.gradient_map("net.rnn.l0").values, expected.gradient_map("net.rnn.l0").values)


def test_a_closure_is_measured_after_it_ran(tmp_path):
    runs = []
    for closure in (False, True):
        torch.manual_seed(0)
        net = Net("GRU")
        optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
        with watch(net, tmp_path / str(closure), every=1) as run:
            for update in range(4):

                def forward_and_backward(update=update, net=net, optimizer=optimizer, run=run):
                    optimizer.zero_grad()
                    loss = net(batch_of(update)).pow(2).mean()
                    loss.backward()
                    run.step(loss=loss)
                    nn.utils.clip_grad_norm_(net.parameters(), CLIP)
                    return loss

                if closure:
                    optimizer.step(forward_and_backward)
                else:
                    forward_and_backward()
                    optimizer.step()
        runs.append(open_run(tmp_path / str(closure)))
    for name, (steps, values) in runs[0].scalars(runs[0].scalar_names).items():
        assert runs[1].scalar(name)[0].tolist() == steps.tolist()
        np.testing.assert_array_equal(runs[1].scalar(name)[1], values)
    assert list(runs[0].snapshots) == list(runs[1].snapshots) == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_keras_records_its_own_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    from models.runs.keras_callback import RunCallback

    if keras.backend.backend() != "torch":
        pytest.skip("Keras has another backend")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6, 3)), keras.layers.LSTM(4, return_sequences=True), keras.layers.GRU(3), keras.layers.Dense(1)]
    )
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, "mse")
    start = [np.array(each) for each in model.get_weights()]
    random = np.random.default_rng(0)
    x, y = random.normal(size=(32, 6, 3)).astype("float32"), random.normal(size=(32, 1)).astype("float32")
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=(x, y),
              callbacks=[RunCallback(tmp_path / "run", every=2, settings={"optimizer": "SGD"})])  # fmt: skip
    run = open_run(tmp_path / "run")
    assert run.status == "finished" and [layer.kind for layer in run.layers.values()] == ["LSTM", "GRU"]
    assert run.settings == {"optimizer": "SGD"} and "mean over the epoch" in run.notes[0]
    assert run.scalar("loss/validation")[0].tolist() == [4, 8]
    assert list(run.snapshots) == [0, 2, 4, 6, 8]
    model.set_weights(start)
    lstm = next(iter(run.layers))
    for step in range(8):
        before = {each.path: each.value.detach().numpy().copy() for each in model.trainable_variables}
        part = slice(step % 4 * 8, step % 4 * 8 + 8)
        model.zero_grad()
        loss = ((model(x[part]) - torch.tensor(y[part])) ** 2).mean()
        loss.backward()
        grads = [each.value.grad for each in model.trainable_variables]
        if step % 2 == 0:
            at = step // 2
            norms = [float(grad.norm()) for grad in grads]
            for each, norm in zip(model.trainable_variables, norms, strict=True):
                close(run.scalar(f"gradient_norm/{each.path}")[1][at], norm, 1e-5)
            close(run.scalar("gradient_norm/total")[1][at], np.linalg.norm(norms), 1e-5)
            close(run.scalar(f"forget_bias/{lstm}")[1][at], before[model.layers[0].cell.bias.path][4:8].mean(), 1e-5)
            if step % 4 == 0:
                close(run.scalar("loss/train")[1][at], float(loss.detach()), 1e-5)
        with torch.no_grad():
            optimizer.apply(grads, model.trainable_variables)
        if step % 2 == 0:
            for each in model.trainable_variables:
                old = before[each.path]
                if np.linalg.norm(old) > 0:
                    ratio = np.linalg.norm(each.value.detach().numpy().copy() - old) / np.linalg.norm(old)
                    close(dict(zip(*run.scalar(f"update_ratio/{each.path}"), strict=True))[step], ratio, 1e-3)
    kernel = load_checkpoint(run.snapshots[0]).layers[next(iter(load_checkpoint(run.snapshots[0]).layers))].weight_hh
    close(run.scalar(f"weight_norm/{lstm}")[1][0], np.linalg.norm(kernel), 1e-5)
    radius = max(abs(np.linalg.eigvals(block)).max() for block in np.split(kernel, 4))
    close(run.scalar(f"spectral_radius/{lstm}")[1][0], radius, 1e-5)


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [("keras", "Keras is not installed. Install it: pip install keras."), ("tensorflow", "needs “tensorflow”")],
)
def test_without_keras_or_its_backend_the_callback_says_which_is_missing(tmp_path, missing, sentence):
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)
sys.meta_path.insert(0, Missing())
import models.runs.keras_callback
"""
    variables = {**os.environ, "KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert sentence in found.stderr.splitlines()[-1]
