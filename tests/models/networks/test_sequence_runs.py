"""Networks that write a sequence, on the other lenses: their layers' states, gradients and edits."""

import numpy as np
import pytest
import torch

from models import EditedNetwork, Problem, capture, load_network, network_names, read_edits, run_edited, run_network
from models.edits.edit_effects import edit_effects, prediction_difference, state_difference
from models.gradients.losses import Loss, differentiate, output_loss_grad
from tests.support.translators import KINDS, TEXT, ReferenceTranslator, gru_step, random_translator, reference_decode

LAYERS = ["encoder.l0", "encoder.l0_reverse", "decoder.l0"]


class Written(ReferenceTranslator):
    """A step that keeps every state, so that autograd computes its gradient."""

    def __init__(self, module, ids):
        with torch.enable_grad():
            super().__init__(module, ids)
        self.decoder = []

    def step(self, symbol, step=0, change=None):
        found = super().step(symbol, step, change)
        self.decoder.append(self.state)
        return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_layers_states_are_those_of_a_step_loop(kind):
    network = random_translator(kind, 1)
    run = run_network(network, TEXT)
    assert list(run.trace.layers) == LAYERS
    symbols, probability, _, _ = reference_decode(network, TEXT)
    with torch.no_grad():
        of = ReferenceTranslator(network.module, network.encode(TEXT)[0])
        states = []
        for symbol in (0, *symbols[:-1]):
            of.step(symbol)
            states.append(of.state)
    half = network.module.encoder.hidden_size
    for layer, expected in zip(LAYERS, (of.memory[:, :half], of.memory[:, half:], torch.stack(states)), strict=True):
        np.testing.assert_allclose(run.trace.layers[layer].hidden[0], expected.detach(), atol=1e-5)
    np.testing.assert_allclose(run.prediction.probability, probability, atol=1e-5)
    assert run.prediction.target.tolist() == symbols
    with capture(network) as trace, torch.no_grad():
        network.module(network.encode(TEXT))
    for layer in LAYERS:  # written step by step it is the same
        np.testing.assert_allclose(trace.layers[layer].hidden, run.trace.layers[layer].hidden, atol=1e-6)


def test_each_layer_has_the_labels_of_its_own_steps_and_the_decoder_alone_predicts():
    network = load_network("dates-dot")
    run = run_network(network, "4 Aug 2024")
    assert run.labels_of("encoder.l0") == run.labels == ("4", "␣", "A", "u", "g", "␣", "2", "0", "2", "4")
    assert run.labels_of("decoder.l0") == run.prediction_labels == ("⊢", *"2024-08-04")
    assert run.prediction_of("encoder.l0") is None
    assert run.prediction_of("decoder.l0") is run.prediction
    names = run.prediction.vocabulary
    assert [names[each] for each in run.prediction.target] == [*"2024-08-04", "⊣"]
    assert (run.prediction.surprisal < 1).all()
    as_long = run_network(network, "2024/08/04.")  # source and answer have eleven steps each
    assert as_long.labels_of("encoder.l0") != as_long.labels_of("decoder.l0")
    assert as_long.prediction_of("encoder.l0_reverse") is None


def test_other_networks_predict_in_every_layer():
    run = run_network(load_network("python-lm"), "x = 1")
    assert all(run.prediction_of(layer) is run.prediction for layer in run.trace.layers)
    assert run.prediction_labels == run.labels


def test_a_transformer_has_no_layers_but_attention():
    run = run_network(random_translator("transformer"), TEXT)
    assert not run.trace.layers and len(run.trace.attention) == 6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [Loss("next", step=2), Loss("next", step=1, target=6), Loss("every"), Loss("answer")])
def test_a_loss_of_the_answer_goes_back_into_the_encoder_as_autograd_has_it(kind, loss):
    network = random_translator(kind, 3)
    done = differentiate(network, TEXT, loss)
    symbols = reference_decode(network, TEXT)[0]
    with torch.enable_grad():
        module, ids = network.module, network.encode(TEXT)[0]
        size, count = module.encoder.hidden_size, len(ids)
        x = module.embedding.weight[ids].detach()
        states = {"l0": [], "l0_reverse": []}
        for suffix, order in (("l0", range(count)), ("l0_reverse", reversed(range(count)))):
            state = torch.zeros(size)
            for at in order:
                state = gru_step(module.encoder, suffix, x[at], state)
                states[suffix].append(state)
        backwards = states["l0_reverse"][::-1]
        of = Written(module, ids)
        of.memory = torch.stack([torch.cat(pair) for pair in zip(states["l0"], backwards, strict=True)])
        of.summary = torch.cat([states["l0"][-1], states["l0_reverse"][-1]])
        of.state = (module.bridge.weight @ of.summary + module.bridge.bias).tanh()
        logs = [of.step(symbol)[0].log() for symbol in (0, *symbols[:-1])]
        parts = [-each[symbol] for each, symbol in zip(logs, symbols, strict=True)]
        target = symbols[loss.step] if loss.target is None else loss.target
        value = -logs[loss.step][target] if loss.kind == "next" else torch.stack(parts).sum()
        every = [*states["l0"], *backwards, *of.decoder]
        grads = [
            torch.zeros_like(state) if grad is None else grad
            for state, grad in zip(every, torch.autograd.grad(value, every, allow_unused=True), strict=True)
        ]
    assert done.value == pytest.approx(float(value.detach()), rel=1e-5)
    wanted = torch.stack(grads[:count]), torch.stack(grads[count : 2 * count]), torch.stack(grads[2 * count :])
    for layer, expected in zip(LAYERS, wanted, strict=True):
        found = done.trace.layers[layer].hidden_grad[0]
        assert np.abs(found - expected.numpy()).max() <= 1e-5 * max(1.0, float(expected.abs().max()))
    assert all(parameter.grad is None for parameter in network.module.parameters())


def test_what_these_networks_cannot_be_asked_is_told_in_a_sentence():
    network = random_translator("dot")
    with pytest.raises(Problem, match=r"^Time step 100 does not exist\. The answer ends at time step \d\.$"):
        differentiate(network, TEXT, Loss("next", step=99))
    with pytest.raises(Problem, match=r"is an encoder–decoder, so its layers have no loss at each time step[^\n]*\.$"):
        output_loss_grad(network, network.module, network.encode(TEXT))
    for edits in ("decoder.l0.hidden[2]@1=0", "encoder.l0.ablate[3]=zero"):
        edited = EditedNetwork(network, read_edits(edits))
        with pytest.raises(Problem, match=r"so its values cannot be fixed\. Edit its weights or its input instead\.$"):
            edited.read(TEXT)
        with pytest.raises(Problem, match=r"so its values cannot be fixed\. Edit its weights or its input instead\.$"):
            edited.differentiate(TEXT, Loss("every"))


def test_edited_weights_and_symbols_are_written_with():
    network = load_network("dates-dot")
    changed = run_edited(network, "4 Aug 2024", read_edits("token[0]=9"))
    plain = run_network(network, "9 Aug 2024")
    np.testing.assert_array_equal(changed.prediction.probability, plain.prediction.probability)
    assert changed.labels == plain.labels and changed.decoder_input == plain.decoder_input
    broken = EditedNetwork(network, read_edits("encoder.l0.weight_hh=0;decoder.l0.weight_ih=0"))
    module = broken.network.module
    assert not module.encoder.weight_hh_l0.any() and network.module.encoder.weight_hh_l0.any()
    with torch.no_grad():
        logits = module(network.encode("4 Aug 2024"))[0]
    np.testing.assert_allclose(broken.read("4 Aug 2024").prediction.probability, logits.softmax(-1), atol=1e-5)
    np.testing.assert_array_equal(
        run_network(network, "9 Aug 2024").prediction.probability, plain.prediction.probability
    )


def test_an_edit_that_makes_the_answer_longer_is_compared_step_by_step():
    network, text = load_network("dates-dot"), "from 4 May 2021 to 3 June 2022"
    edits = read_edits(";".join(["token[15]-"] * 15))
    before, edited = run_network(network, text), EditedNetwork(network, edits)
    after, origin = edited.read(text), edited.sequence(text).origin
    assert len(before.decoder_input) == 22 and len(after.decoder_input) == 11
    found = state_difference(before, after, "decoder.l0", "hidden", origin)
    states = [each.trace.layers["decoder.l0"].hidden[0] for each in (before, after)]
    np.testing.assert_allclose(found, states[1] - states[0][:11], atol=1e-7)
    assert state_difference(before, after, "encoder.l0", "hidden", origin).shape[0] == 15
    chances = prediction_difference(before, after, origin)
    np.testing.assert_allclose(chances, after.prediction.probability - before.prediction.probability[:11], atol=1e-7)
    told = edit_effects(before, after, origin)
    assert told.flip.step == 10 and told.flip.symbols == ("/", "⊣")
    longer = state_difference(after, before, "decoder.l0", "hidden", range(15))
    assert np.isnan(longer[11:]).all() and np.isfinite(longer[:11]).all()


@pytest.mark.parametrize("name", [name for name in network_names() if name.startswith("dates-")])
def test_every_example_of_the_bundled_ones_can_be_read(name):
    network = load_network(name)
    for example in network.card.examples:
        run = run_network(network, example.text)
        assert run.prediction.target[-1] == 1 and not run.unknown
