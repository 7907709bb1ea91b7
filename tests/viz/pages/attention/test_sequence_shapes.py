"""What must wait for what, how long it takes, and a language model that writes on."""

import pytest
import torch

from models import Problem, load_network
from models.networks.critical_path import recurrent_critical_path, transformer_critical_path
from models.networks.generation import generate
from models.networks.timing import measure_times


def longest_paths(edges, nodes):
    """The length in nodes of the longest chain that ends at each node, by trying all chains."""
    before = {node: [a for a, b in edges if b == node] for node in nodes}

    def length(node):
        return 1 + max((length(earlier) for earlier in before[node]), default=0)

    return {node: length(node) for node in nodes}


def test_a_recurrent_network_waits_for_every_step():
    source, output = 5, 3
    forward = [(("f", k), ("f", k + 1)) for k in range(source - 1)]
    backward = [(("b", k + 1), ("b", k)) for k in range(source - 1)]
    begin = [(("f", source - 1), ("d", 0)), (("b", 0), ("d", 0))]
    decoder = [(("d", k), ("d", k + 1)) for k in range(output - 1)]
    edges = forward + backward + begin + decoder
    nodes = [("f", k) for k in range(source)] + [("b", k) for k in range(source)] + [("d", k) for k in range(output)]
    found = longest_paths(edges, nodes)
    told = {part: moments for part, _first, moments in recurrent_critical_path(source, output).lines}
    for part, letter, count in (("forward", "f", source), ("backward", "b", source), ("writing", "d", output)):
        assert told[part] == tuple(found[letter, k] for k in range(count))
    assert recurrent_critical_path(source, output).last == source + output


def test_a_transformer_waits_for_its_layers_alone_until_it_writes():
    source, output, layers = 4, 3, 2
    positions = range(source)
    edges = [(("e", 0, a), ("e", 1, b)) for a in positions for b in positions]
    edges += [(("e", 1, a), ("d", 0, b)) for a in positions for b in range(output)]
    steps = [(a, b) for b in range(output) for a in range(b + 1)]
    training = [(("d", 0, a), ("d", 1, b)) for a, b in steps]
    written = training + [(("d", 1, b - 1), ("d", 0, b)) for b in range(1, output)]  # the symbol before must be there
    nodes = [("e", layer, k) for layer in range(layers) for k in positions]
    nodes += [("d", layer, k) for layer in range(layers) for k in range(output)]
    lines = transformer_critical_path(source, output, layers).lines
    trained, writing = longest_paths(edges + training, nodes), longest_paths(edges + written, nodes)
    encoder = [moments for part, _first, moments in lines if part == "encoder"]
    assert encoder == [tuple(trained["e", layer, k] for k in positions) for layer in range(layers)]
    decoder = [moments for part, _first, moments in lines if part == "training"]
    assert decoder == [tuple(trained["d", layer, k] for k in range(output)) for layer in range(layers)]
    [moments] = [moments for part, _first, moments in lines if part == "writing"]
    assert moments == tuple(writing["d", layers - 1, k] for k in range(output))


def test_each_length_is_measured_for_each_network():
    seen = []

    def run(ids):
        seen.append(ids)
        return ids.double().cumsum(1)

    found = list(measure_times({"a": run, "b": run}, (4, 16), symbols=9, repeats=3))
    assert [(each.name, each.length) for each in found] == [("a", 4), ("b", 4), ("a", 16), ("b", 16)]
    assert all(each.seconds > 0 for each in found)
    assert [tuple(ids.shape) for ids in seen] == [(1, 4)] * 8 + [(1, 16)] * 8
    assert all(((ids >= 2) & (ids < 9)).all() for ids in seen)


def test_writing_on_is_the_networks_own_greedy_run():
    network = load_network("python-lm")
    writing = generate(network, "d", 12)
    ids = network.encode("d")
    for symbol, chance in zip(writing.symbols, writing.probability, strict=True):
        with torch.no_grad():
            distribution = network.module(ids)[0, -1].softmax(-1)
        best = int(distribution.argmax())
        assert network.labels(network.vocabulary[best]) == [symbol]
        assert chance == pytest.approx(float(distribution[best]), abs=1e-5)
        ids = torch.cat([ids, torch.tensor([[best]])], dim=1)
    assert writing.text == "".join(network.vocabulary[index] for index in ids[0])


def test_a_draw_is_the_same_again_and_another_one_is_another():
    network = load_network("python-lm")
    first, again, other = (generate(network, "d", 40, 1.0, seed).text for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("name", "text"), [("sentiment", "good"), ("wave", "0.1"), ("python-lm", "")])
def test_what_cannot_write_on_says_so(name, text):
    with pytest.raises(Problem):
        generate(load_network(name), text, 3)
