"""The masks that are drawn are those that the training step used."""

import numpy as np
import pytest
import torch

from models.training import training_loop
from models.training.sequence_models import build_sequence_model
from models.training.step_masks import step_masks
from models.training.training_loop import batch_loss, step_batch, step_seed
from models.training.training_tasks import task_data
from tests.models.training.test_training_loop import quick

KINDS = {
    "fresh": {"time_dropout": 0.4, "time_mask": "fresh"},
    "variational": {"time_dropout": 0.4, "time_mask": "variational", "input_dropout": 0.3},
    "keras": {"time_dropout": 0.4, "time_mask": "keras", "input_dropout": 0.3},
    "depth": {"layers": 3, "depth_dropout": 0.5, "time_mask": "fresh"},
    "zoneout": {"zoneout": 0.3, "zoneout_cell": 0.4},
}


@pytest.mark.parametrize("kind", KINDS)
def test_masks_drawn_again_give_the_loss_of_the_step(kind):
    options = quick(**KINDS[kind])
    data = task_data(options)
    module, batch = build_sequence_model(options, data).train(), step_batch(options, data, 4)
    torch.manual_seed(step_seed(options.seed, 4))
    expected = batch_loss(module, batch)[0]
    found = [step_masks(options, data, 4, row) for row in range(len(batch))]
    by_place = {(each.layer, each.place): [] for each in found[0]}
    for masks in found:
        for each in masks:
            by_place[each.layer, each.place].append(torch.from_numpy(each.values))
    masks = {name: torch.stack(values) for name, values in by_place.items()}
    if kind == "depth":  # torch's own stack: multiply by the masks between its layers
        x = module.embedding(batch.inputs)
        for level in range(3):
            part = torch.nn.LSTM(x.shape[-1], 6, batch_first=True)
            state = module.rnn.state_dict().items()
            part.load_state_dict({name[:-1] + "0": values for name, values in state if name.endswith(f"l{level}")})
            x = part(x if level == 0 else x * masks[f"rnn.l{level}", "input"][:, :, 0])[0]
        loss = training_loop.sequence_loss(module.head(x), batch)
    else:
        from models.training.dropout_masks import LayerMasks
        from models.training.sequence_models import StepMasks

        own = {place: masks.get(("rnn.l0", place)) for place in ("input", "hidden", "keep_hidden", "keep_cell")}
        outer = None
        if own["input"] is not None and kind == "variational":
            outer, own["input"] = own["input"][:, :, 0], None
        kept = [None if own[name] is None else own[name][:, :, 0] > 0 for name in ("keep_hidden", "keep_cell")]
        layer = LayerMasks(own["input"], own["hidden"], *kept)
        loss = training_loop.sequence_loss(
            module.step_outputs(batch.inputs, masks=StepMasks(outer, (layer,)))[0], batch
        )
    assert torch.allclose(loss, expected, atol=1e-6)
    assert len(masks) > 0


def test_variational_masks_are_identical_over_time_and_fresh_ones_are_not():
    for kind in ("fresh", "variational", "keras"):
        options = quick(**KINDS[kind])
        mask = next(each for each in step_masks(options, task_data(options), 0) if each.place == "hidden").values
        assert mask.shape[1] == (4 if kind == "keras" else 1)
        assert np.array_equal(mask, np.broadcast_to(mask[:1], mask.shape)) == (kind != "fresh")


def test_without_dropout_there_are_no_masks():
    options = quick()
    assert step_masks(options, task_data(options), 0) == []
