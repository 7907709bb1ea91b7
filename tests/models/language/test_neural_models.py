"""The networks of the Language lens against torch in a loop, and word vectors against gensim's own functions."""

import numpy as np
import pytest
import torch
from gensim.models import FastText, Word2Vec
from gensim.models.fasttext import compute_ngrams

from models.core.messages import Problem
from models.language.corpus import END, START, read_corpus, shipped_text
from models.language.held_out import split_corpus
from models.language.neural_models import (
    MODEL_KINDS,
    TrainedLanguageModel,
    WindowModel,
    build_language_model,
    network_probabilities,
)
from models.language.sentence_probability import product_of
from models.language.train_language_model import check_trainable, mean_bits, train_language_model
from models.language.word_vectors import (
    BUCKETS,
    LONGEST,
    SHORTEST,
    SIZE,
    VECTOR_KINDS,
    check_vectors,
    subwords,
    train_word_vectors,
    window_pairs,
)


@pytest.fixture(scope="module")
def corpus():
    return read_corpus(shipped_text("ko"))


def untrained(kind, corpus):
    """Return a model with random weights as a trained one."""
    module = build_language_model(kind, len(corpus.words), seed=3)
    state = {name: values.numpy() for name, values in module.state_dict().items()}
    return TrainedLanguageModel(kind, len(corpus.words), state, (1.0,), (1.0,), 1, 0, 0.0, False)


def stepwise(module, ids):
    """Return the log probability of the symbol after each prefix of ids, one prefix at a time; the start never comes next."""
    rows = []
    with torch.no_grad():
        for length in range(1, len(ids)):
            if isinstance(module, WindowModel):
                window = ([START] * module.window + ids[:length])[-module.window :]
                joined = torch.cat([module.embedding.weight[each] for each in window])
                logits = module.head(torch.tanh(module.hidden(joined)))
            else:
                logits = module(torch.tensor([ids[:length]]))[0, -1]
            rows.append(logits.double()[1:].log_softmax(0)[ids[length] - 1])
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_the_factors_of_a_network_are_those_of_torch_prefix_by_prefix(corpus, kind):
    model, words = untrained(kind, corpus), ["그는", "정말", "없는단어", "사람이에요"]
    found = network_probabilities(model, corpus, words)
    ids = [START, *corpus.encode(words), END]
    assert np.allclose(np.log(found), stepwise(model.module(), ids), atol=1e-5)
    product = product_of(found)
    assert np.isclose(product.log2, np.log2(found).sum()) and np.isclose(product.ln, product.log2 * np.log(2))
    assert np.isclose(product.perplexity, 2 ** -np.log2(found).mean())


@pytest.mark.slow
def test_training_finds_the_epochs_on_held_out_sentences_and_trains_on_all(corpus):
    model = train_language_model(corpus, "RNN")
    assert model.epochs == np.argmin(model.held_out_bits) + 1 and not model.was_cut_short
    assert model.held_out_perplexity < 25 < 2 ** model.held_out_bits[0]
    assert model.symbols == len(corpus.words)
    assert network_probabilities(model, corpus, ["그는", "정말"])[0] > 0.05
    small = corpus.select(np.arange(len(corpus.starts)) < 10)
    one, other = train_language_model(small, "window"), train_language_model(small, "window")
    assert all(np.array_equal(values, other.state[name]) for name, values in one.state.items())


def test_the_held_out_bits_are_the_mean_over_words_and_ends(corpus):
    counted, held = split_corpus(corpus)
    module = build_language_model("window", len(counted.words), seed=1)
    sentences = [[START, *held.sentence_words(number).tolist(), END] for number in range(len(held.starts))]
    expected = -np.concatenate([stepwise(module, ids) for ids in sentences]).mean() / np.log(2)
    assert np.isclose(mean_bits(module, held), expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", VECTOR_KINDS)
def test_vectors_are_those_of_gensim(corpus, kind):
    found = train_word_vectors(corpus, kind, 2)
    options = {
        "sentences": [line.rstrip(".").split() for line in shipped_text("ko").splitlines()],
        "vector_size": SIZE,
        "window": 2,
        "min_count": 1,
        "sg": int(kind == "skip_gram"),
        "sample": 0,
        "shrink_windows": False,
        "workers": 1,
        "seed": 0,
        "epochs": found.epochs,
    }
    if kind == "fasttext":
        model = FastText(**options, min_n=SHORTEST, max_n=LONGEST, bucket=BUCKETS)
        assert np.allclose(found.vector("고양이가"), model.wv["고양이가"], atol=1e-6)
        near = [word for word, _cosine in found.neighbours("고양이가", 5)]
        assert near == [word for word, _cosine in model.wv.most_similar("고양이가", topn=5)]
        assert any(word.startswith("고양이") for word in near)
    else:
        model = Word2Vec(**options)
        assert found.vector("고양이가") is None and found.neighbours("고양이가", 5) == []
    assert found.words == tuple(model.wv.index_to_key) and np.allclose(found.vectors, model.wv.vectors, atol=1e-6)
    expected = model.wv.most_similar("고양이는", topn=5)
    assert [word for word, _cosine in found.neighbours("고양이는", 5)] == [word for word, _cosine in expected]
    assert np.allclose(
        [each for _word, each in found.neighbours("고양이는", 5)], [each for _, each in expected], atol=1e-5
    )
    context = ["그는", "정말", "사람이에요"]
    if kind != "fasttext":
        predicted = model.predict_output_word(context, topn=4)
        assert np.allclose(
            [each for _word, each in found.predict_middle(context, 4)], [each for _, each in predicted], atol=1e-4
        )
        assert [word for word, _share in found.predict_middle(context, 4)] == [word for word, _share in predicted]
    _mean, directions, places = found.plane()
    assert np.allclose(directions @ directions.T, np.eye(2), atol=1e-5)
    assert np.allclose(found.on_plane(found.vectors[3]), places[3], atol=1e-5)


@pytest.mark.parametrize("word", ["고양이", "a", "naïve"])
def test_character_ngrams_are_those_of_fasttext(word):
    assert sorted(subwords(word)) == sorted(compute_ngrams(word, SHORTEST, LONGEST))


def test_the_window_has_the_words_around():
    words = ["He", "is", "a", "good", "man"]
    assert [window_pairs(words, place, 1) for place in (0, 2, 4)] == [["is"], ["is", "good"], ["good"]]


def test_a_corpus_that_is_too_large_to_train_on_is_one_sentence(corpus, monkeypatch):
    monkeypatch.setattr("models.language.train_language_model.MAX_WORDS", 300)
    monkeypatch.setattr("models.language.word_vectors.MAX_TRAINED", 300)
    for check in (check_trainable, check_vectors):
        with pytest.raises(Problem, match="at most 300 words, but the corpus has 336"):
            check(corpus)
    with pytest.raises(Problem, match="sentences of at most 100 words"):
        check_trainable(read_corpus("b\nc\nd\na " + "a " * 100 + "\ne"))
    check_trainable(read_corpus("b\nc\nd\n" + "a " * 100 + "\ne"))
