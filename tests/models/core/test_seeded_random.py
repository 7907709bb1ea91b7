"""Random numbers of a block do not depend on what other threads draw."""

from concurrent.futures import ThreadPoolExecutor

import torch

from models.core.seeded_random import seeded_random


def draw(seed):
    with seeded_random(seed):
        return torch.cat([torch.randn(1) for _ in range(200)]).tolist()


def test_threads_draw_the_numbers_that_each_draws_alone():
    torch.manual_seed(7)
    outside = torch.get_rng_state()
    alone = [draw(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(draw, range(8))) == alone
    assert torch.equal(torch.get_rng_state(), outside)


def test_blocks_may_be_inside_each_other():
    with seeded_random(3):
        first = torch.randn(1)
        with seeded_random(4):
            torch.randn(5)
        second = torch.randn(1)
    torch.testing.assert_close(torch.cat([first, second]), torch.randn(2, generator=torch.Generator().manual_seed(3)))
