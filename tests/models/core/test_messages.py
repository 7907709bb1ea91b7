"""Problems that another process raised arrive as they were."""

import pickle

import pytest

from models.core.messages import LinkProblem, Problem
from models.networks.input_limit import TooManyStepsError


@pytest.mark.parametrize(
    "problem",
    [
        Problem("“{file}” cannot be read.", file="{0}{x}"),
        LinkProblem("The link has no {name}.", name="}{"),
        TooManyStepsError(5000, 2000),
    ],
)
def test_a_problem_is_pickled_with_its_values(problem):
    copy = pickle.loads(pickle.dumps(problem))
    assert type(copy) is type(problem)
    assert (str(copy), copy.args, copy.values, copy.sentence) == (
        str(problem), problem.args, problem.values, problem.sentence,
    )  # fmt: skip
