"""Initializers against Apple's, bit for bit."""

import mlx.core as apple
import mlx.nn as apple_nn
import pytest
from oracle import assert_same, outcome, seed

import mlx_oxide.core as mx
import mlx_oxide.nn as nn

INITIALIZERS = [
    "constant(0.5)", "constant(1, mx.int32)", "normal(1.0, 2.0)", "normal(dtype=mx.float16)",
    "uniform(1, 2)", "uniform(dtype=mx.bfloat16)", "identity()", "identity(mx.int32)",
    "glorot_normal()", "glorot_uniform()", "he_normal()", "he_uniform(mx.float16)",
    "sparse(0.5)", "sparse(0.3, 1.0, 2.0)", "sparse(0.0)", "sparse(1.0)", "sparse(0.5, dtype=mx.float16)",
    "orthogonal()", "orthogonal(2.0)", "orthogonal(dtype=mx.float16)",
]
SHAPES = [(), (5,), (4, 4), (4, 6), (6, 4), (4, 3, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("source", INITIALIZERS)
def test_initializers_draw_the_same_numbers(source, shape):
    def result(core, library):
        seed(2)
        make = eval(source, {"mx": core, **vars(library.init)})
        return outcome(lambda: make(core.zeros(shape)))

    own, expected = result(mx, nn), result(apple, apple_nn)
    if isinstance(expected, type):
        assert own is expected
    elif source.startswith("orthogonal"):
        # another order of sums in the decomposition
        step = 1e-3 if "float16" in source else 4e-6
        assert_same(own, expected, rtol=step, atol=step)
    else:
        assert_same(own, expected)


@pytest.mark.parametrize("name", ["glorot_normal", "glorot_uniform"])
def test_glorot_takes_a_gain(name):
    def result(core, library):
        seed(2)
        return getattr(library.init, name)()(core.zeros((3, 4)), gain=2.0)

    assert_same(result(mx, nn), result(apple, apple_nn))


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "other"])
@pytest.mark.parametrize("name", ["he_normal", "he_uniform"])
def test_he_takes_a_mode(name, mode):
    def result(core, library):
        seed(2)
        return outcome(
            lambda: getattr(library.init, name)()(core.zeros((3, 2, 4)), mode, gain=2.0)
        )

    own, expected = result(mx, nn), result(apple, apple_nn)
    assert own is expected is ValueError if mode == "other" else True
    if mode != "other":
        assert_same(own, expected)
