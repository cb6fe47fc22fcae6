"""Schedules against Apple's."""

import mlx.core as apple
import mlx.optimizers as apple_optim
import numpy as np
import pytest
from oracle import assert_same, outcome

import mlx_oxide.core as mx
import mlx_oxide.optimizers as optim

SCHEDULES = [
    "exponential_decay(0.1, 0.9)", "step_decay(0.1, 0.9, 3)", "cosine_decay(0.1, 10)",
    "cosine_decay(0.1, 10, 0.05)", "linear_schedule(0, 0.1, 10)", "linear_schedule(0.1, 0.0, 10)",
    "join_schedules([linear_schedule(0, 0.1, 4)], [])",
    "join_schedules([linear_schedule(0, 0.1, 4), cosine_decay(0.1, 20)], [4])",
    "join_schedules([linear_schedule(0, 0.1, 4), cosine_decay(0.1, 20), "
    "exponential_decay(0.5, 0.5)], [4, 10])",
]


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5, 10, 11, 100])
@pytest.mark.parametrize("source", SCHEDULES)
def test_schedules_are_the_same(source, step):
    own, expected = eval(source, vars(optim)), eval(source, vars(apple_optim))
    for dtype in ("uint64", "int32", "float32"):
        assert_same(
            own(mx.array(step, getattr(mx, dtype))),
            expected(apple.array(step, getattr(apple, dtype))),
            rtol=1e-6,
        )
    np.testing.assert_allclose(np.array(own(step)), np.array(expected(step)), rtol=1e-6)


REJECTED = [
    "join_schedules([], [])", "join_schedules([linear_schedule(0, 1, 4)], [1])",
    "join_schedules([linear_schedule(0, 1, 4)] * 2, [])", "linear_schedule(0, 1, 0)",
    "linear_schedule(0, 1, -1)", "cosine_decay(1, 0)", "step_decay(1, 0.1, 0)",
]


@pytest.mark.parametrize("source", REJECTED)
def test_schedules_reject_what_mlx_rejects(source):
    own = outcome(lambda: eval(source, vars(optim)))
    assert own is outcome(lambda: eval(source, vars(apple_optim))) is ValueError
