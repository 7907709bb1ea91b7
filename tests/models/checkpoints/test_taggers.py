"""Networks that score a class at each time step: of tensors by choice or by name, of a file's graph by its outputs' form."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from models import CheckpointError, capture, load_checkpoint
from models.checkpoints.building.build import FUNCTIONS
from models.core.messages import Problem
from models.decoding.run_network import run_network
from models.edits.edit_effects import classes_before, edit_effects
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.gradients.losses import Loss, differentiate, output_loss_grad, step_losses
from models.networks.forward_run import TagPrediction
from tests.support.keras_files import L, keras, outputs, randomized, written

WORDS = ("<unk>", "the", "dog", "ate", "an", "apple", "everybody", "read", "that", "book")
TAGS = ("DET", "NN", "V")
TEXT = "the dog read that book"


class Tagger(nn.Module):
    """The part-of-speech tagger of PyTorch's tutorial on sequence models, bidirectional."""

    def __init__(self, outputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.word_embeddings = nn.Embedding(len(WORDS), 6)
        self.lstm = nn.LSTM(6, 6, batch_first=True, bidirectional=True)
        self.hidden2tag = nn.Linear(12, outputs)
        for each in self.parameters():
            nn.init.normal_(each, 0.0, 0.6)

    def forward(self, ids):
        return self.hidden2tag(self.lstm(self.word_embeddings(ids))[0])


def saved(module, **further):
    file = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), **further}, file)
    return load_checkpoint(file.getvalue())


LISTS = {
    "word_to_ix": {word: place for place, word in enumerate(WORDS)},
    "tag_to_ix": {tag: place for place, tag in enumerate(TAGS)},
}


@pytest.fixture(scope="module")
def tagger():
    """A tagger, its network, and the same network after edits."""
    module = Tagger().eval()
    return module, saved(module, **LISTS).network(predicts="tag")


def test_a_tagger_scores_each_step_and_names_its_classes(tagger):
    module, net = tagger
    assert net.card.predicts == "tag" and net.card.classes["en"] == TAGS and net.left_out == (FUNCTIONS,)
    ids = net.encode(TEXT)
    torch.testing.assert_close(net.module(ids), module(ids), rtol=0, atol=1e-6)
    prediction = run_network(net, TEXT).prediction
    assert isinstance(prediction, TagPrediction)
    expected = module(ids)[0].softmax(-1).detach().numpy()
    np.testing.assert_allclose(prediction.probability, expected, rtol=0, atol=1e-6)
    assert (
        prediction.best.tolist() == expected.argmax(-1).tolist()
        and prediction.top(2)[:, 0].tolist() == prediction.best.tolist()
    )


def test_the_meaning_is_inferred_by_name_and_then_assumed():
    checkpoint = saved(Tagger().eval(), **LISTS)
    net = checkpoint.network()
    assert net.card.predicts == "tag" and "readout" in net.left_out
    assert checkpoint.network(predicts="class", readout="mean").card.classes["en"] == TAGS
    with pytest.raises(CheckpointError, match="2 class names, but 3 classes"):
        checkpoint.network(predicts="tag", classes=["a", "b"])


def test_the_transitions_of_a_conditional_random_field_are_named_as_not_run():
    """The BiLSTM-CRF of PyTorch's tutorial: as many tags as dimensions of the embedding."""
    state = {"word_embeds.weight": torch.randn(17, 5), "transitions": torch.randn(5, 5)}
    state |= {f"lstm.{name}": values for name, values in nn.LSTM(5, 2, bidirectional=True).state_dict().items()}
    state |= {f"hidden2tag.{name}": values for name, values in nn.Linear(4, 5).state_dict().items()}
    file = io.BytesIO()
    torch.save(state, file)
    net = load_checkpoint(file.getvalue()).network()
    assert net.card.predicts == "tag" and "transitions" in net.left_out and len(net.card.classes["en"]) == 5


def test_a_single_score_is_that_of_the_second_class():
    module = Tagger(1).eval()
    net = saved(module, word_to_ix=LISTS["word_to_ix"]).network(predicts="tag")
    ids = net.encode(TEXT)
    probability = run_network(net, TEXT).prediction.probability
    np.testing.assert_allclose(probability[:, 1], module(ids)[0, :, 0].sigmoid().detach().numpy(), atol=1e-6)


CORRECT = (0, 1, 2, -1, 1)


@pytest.mark.parametrize("loss", [Loss("every"), Loss("every", classes=CORRECT), Loss("next", step=2, classes=CORRECT)])
def test_the_loss_is_the_cross_entropy_of_the_classes(tagger, loss):
    module, net = tagger
    module.zero_grad()
    scores = module(net.encode(TEXT))[0]
    best = scores.argmax(-1)
    targets = best if loss.classes is None else torch.where(torch.tensor(CORRECT) < 0, best, torch.tensor(CORRECT))
    each = cross_entropy(scores, targets, reduction="none")
    value = each.sum() if loss.kind == "every" else each[loss.step]
    value.backward()
    done = differentiate(net, TEXT, loss)
    assert done.value == pytest.approx(float(value.detach()), abs=1e-6) and done.target is None
    own = dict(done.module.named_parameters())
    for name, values in module.named_parameters():
        torch.testing.assert_close(own[name].grad, values.grad, rtol=1e-4, atol=1e-6)


def test_classes_that_are_not_one_for_each_step_are_refused(tagger):
    with pytest.raises(Problem, match=r"There are 2 correct classes, but 5 time steps"):
        differentiate(tagger[1], TEXT, Loss("every", classes=(0, 1)))
    with pytest.raises(Problem, match="A class is a number from 0 to 2"):
        differentiate(tagger[1], TEXT, Loss("next", classes=(0, 1, 2, 3, 0)))


def test_the_derivative_of_each_steps_loss_by_the_recurrent_output(tagger):
    module, net = tagger
    ids = net.encode(TEXT)
    out = module.lstm(module.word_embeddings(ids))[0].detach().requires_grad_()
    scores, classes = module.hidden2tag(out)[0], (0, 2, 2, 1, 0)
    cross_entropy(scores, torch.tensor(classes), reduction="sum").backward()
    for paths in ((), ("lstm",)):
        torch.testing.assert_close(output_loss_grad(net, net.module, ids, paths=paths, classes=classes), out.grad)


@pytest.mark.parametrize("edit", ["lstm.l0.forget_gate[1]@2-=0", "lstm.l0.weight_hh*=-2", "token[2]-"])
def test_edits_change_the_classes_of_steps(tagger, edit):
    _module, net = tagger
    edited = EditedNetwork(net, read_edits(edit))
    before, after = run_network(net, TEXT), edited.read(TEXT)
    origin = edited.sequence(TEXT).origin if "token" in edit else None
    effects = edit_effects(before, after, origin)
    assert effects.predictions and effects.surprise is None and effects.predictions[0].symbol is None
    largest = effects.predictions[0]
    assert largest.after == pytest.approx(float(after.prediction.probability[largest.step, largest.index]))
    kept = range(5) if origin is None else [was for was in origin if was is not None]
    changed = [
        step
        for step, was in enumerate(kept)
        if after.prediction.best[step] != classes_before(before.prediction, origin)[step]
    ]
    assert (effects.flip.step if effects.flip else None) == (changed[0] if changed else None)
    value = edited.differentiate(TEXT, Loss("every")).value
    assert value == pytest.approx(float(-np.log(after.prediction.probability.max(-1)).sum()), rel=1e-5)


def test_a_keras_tagger_states_that_it_scores_each_step(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            L.Embedding(9, 5),
            L.Bidirectional(L.LSTM(4, return_sequences=True)),
            L.TimeDistributed(L.Dense(4, activation="softmax")),
        ]
    )
    net = written(randomized(model), tmp_path / "tagger.keras").network()
    assert net.card.predicts == "tag" and net.left_out == ()
    run = run_network(net, "3 1 4 1 5")
    expected = outputs(model, net.encode("3 1 4 1 5").numpy())[0][0]
    np.testing.assert_allclose(run.prediction.probability, expected, rtol=0, atol=1e-6)
    # the gradient of each step's loss passes through the softmax of the file's own graph
    given = net.encode("3 1 4 1 5")
    with capture(net.module) as trace:
        step_losses(net, given, net.run(given)).sum().backward()
    path = next(iter(trace.layers)).rpartition(".")[0]
    grad = output_loss_grad(net, net.module, given, paths=(path,))
    direct = np.concatenate([each.output_gradients.hidden for each in
                             (layer.gradients for layer in trace.layers.values())], -1)  # fmt: skip
    np.testing.assert_allclose(grad.numpy(), direct, rtol=1e-4, atol=1e-6)


class Neighbours(nn.Module):
    """A convolution over steps."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(6, 6, 3, padding=1)

    def forward(self, x):
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class Steps(nn.Module):
    """A tagger of ids whose layers after the recurrent one may combine steps."""

    def __init__(self, ends):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.gru, self.fc = nn.Embedding(9, 4), nn.GRU(4, 6, batch_first=True), nn.Linear(6, 3)
        self.mix = Neighbours() if ends == "mixed" else nn.Identity()
        self.end = nn.Identity() if ends == "linear" else nn.LogSoftmax(-1)

    def forward(self, ids):
        return self.end(self.fc(self.mix(self.gru(self.embedding(ids))[0])))


def scripted(ends):
    module, file = Steps(ends).eval(), io.BytesIO()
    torch.jit.save(torch.jit.script(module), file)
    return module, load_checkpoint(file.getvalue())


def test_a_graph_of_scores_at_each_step_may_be_a_tagger():
    module, checkpoint = scripted("log_softmax")
    net = checkpoint.network()
    given = net.encode("3 1 4 1 5")
    assert net.card.predicts == "tag"
    np.testing.assert_allclose(
        run_network(net, "3 1 4 1 5").prediction.probability, module(given)[0].exp().detach(), atol=1e-6
    )
    module, checkpoint = scripted("linear")
    assert checkpoint.network().card.predicts == "values"  # linear outputs may mean anything
    net = checkpoint.network(predicts="tag", classes=["a", "b", "c"])
    assert net.card.classes["en"] == ("a", "b", "c")
    np.testing.assert_allclose(
        run_network(net, "3 1 4 1 5").prediction.probability, module(given)[0].softmax(-1).detach(), atol=1e-6
    )


def test_no_loss_belongs_to_a_step_where_later_layers_combine_steps():
    net = scripted("mixed")[1].network()
    with pytest.raises(Problem, match="depends on this layer in more ways than by its output at that step"):
        output_loss_grad(net, net.module, net.encode("3 1 4 1 5"))
