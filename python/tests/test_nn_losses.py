"""Losses against Apple's: values, gradients and errors."""

import mlx.core as apple
import mlx.nn as apple_nn
import numpy as np
import pytest
from oracle import assert_same, outcome

import mlx_oxide.core as mx
import mlx_oxide.nn as nn

GENERATOR = np.random.default_rng(3)
X, Y, Z = (GENERATOR.standard_normal((4, 5)).astype(np.float32) for _ in range(3))
P = GENERATOR.uniform(0.05, 0.95, (4, 5)).astype(np.float32)
SIGN = np.sign(Y)
CLASSES = np.array([0, 4, 2, 1], np.int32)
ZERO = np.zeros((4, 5), np.float32)

LOSSES = [
    ("cross_entropy", [X, CLASSES], {}),
    ("cross_entropy", [X, CLASSES], {"weights": P[:, 0], "label_smoothing": 0.1}),
    ("cross_entropy", [X.T.copy(), CLASSES], {"axis": 0}),
    ("cross_entropy", [X * 1e4, CLASSES], {}),
    ("cross_entropy", [X, P], {}),
    ("cross_entropy", [X, P], {"label_smoothing": 0.3}),
    ("binary_cross_entropy", [X, P], {}),
    ("binary_cross_entropy", [X, P, Z], {}),
    ("binary_cross_entropy", [P, (SIGN > 0).astype(np.float32)], {"with_logits": False}),
    ("binary_cross_entropy", [ZERO, P], {"with_logits": False}),
    ("l1_loss", [X, Y], {}),
    ("mse_loss", [X, Y], {}),
    ("nll_loss", [X, CLASSES], {}),
    ("nll_loss", [X.T.copy(), CLASSES], {"axis": 0}),
    ("gaussian_nll_loss", [X, Y, P], {}),
    ("gaussian_nll_loss", [X, Y, P - 0.5], {"full": True, "eps": 1e-2}),
    ("kl_div_loss", [X, Y], {}),
    ("kl_div_loss", [X, Y], {"axis": 0}),
    ("smooth_l1_loss", [X, Y], {}),
    ("smooth_l1_loss", [X, Y], {"beta": 0.3}),
    ("triplet_loss", [X, Y, Z], {}),
    ("triplet_loss", [X, Y, Z], {"p": 1, "margin": 0.2, "axis": 0}),
    ("hinge_loss", [X, SIGN], {}),
    ("huber_loss", [X, Y], {}),
    ("huber_loss", [X, Y], {"delta": 0.4}),
    ("log_cosh_loss", [X, Y], {}),
    ("cosine_similarity_loss", [X, Y], {}),
    ("cosine_similarity_loss", [X, ZERO], {"axis": 0}),
    ("margin_ranking_loss", [X, Y, SIGN], {}),
    ("margin_ranking_loss", [X, Y, SIGN], {"margin": 0.5}),
]


def call(core, library, name, arrays, options):
    options = {
        key: core.array(value) if isinstance(value, np.ndarray) else value
        for key, value in options.items()
    }
    return getattr(library.losses, name)(*arrays, **options)


@pytest.mark.parametrize("reduction", [None, "none", "mean", "sum", "other"])
@pytest.mark.parametrize("name, arrays, options", LOSSES)
def test_values_are_the_same(name, arrays, options, reduction):
    if reduction is not None:
        options = {**options, "reduction": reduction}

    def result(core, library):
        return outcome(
            lambda: call(core, library, name, [core.array(a) for a in arrays], options)
        )

    own, expected = result(mx, nn), result(apple, apple_nn)
    if reduction == "other":
        assert own is expected is ValueError
    else:
        assert_same(own, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, arrays, options", LOSSES)
def test_gradients_are_the_same(name, arrays, options):
    which = [i for i, a in enumerate(arrays) if a.dtype == np.float32]

    def result(core, library):
        def loss(*xs):
            return call(core, library, name, xs, {**options, "reduction": "sum"})

        return core.grad(loss, argnums=which)(*[core.array(a) for a in arrays])

    assert_same(result(mx, nn), result(apple, apple_nn), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name, arrays, options", LOSSES)
def test_half_precision_keeps_the_dtypes_of_mlx(name, arrays, options, dtype):
    def result(core, library):
        xs = [core.array(a) for a in arrays]
        xs = [x.astype(getattr(core, dtype)) if x.dtype == core.float32 else x for x in xs]
        return call(core, library, name, xs, options)

    assert_same(result(mx, nn), result(apple, apple_nn), rtol=2e-2, atol=2e-2)


SHAPES = [(2, 4), (4,), (3,), (2,), (2, 1), (2, 3), ()]
ERRORS = [
    *[f"cross_entropy(z, mx.zeros({s}, mx.int32))" for s in SHAPES],
    *[f"cross_entropy(z, mx.zeros(2, mx.int32), weights=mx.zeros({s}))" for s in SHAPES],
    "cross_entropy(z, mx.zeros(2, mx.int32), label_smoothing=1.0)",
    "cross_entropy(z, mx.zeros(2, mx.int32), label_smoothing=-0.1)",
    "cross_entropy(z, z, axis=5)",
    "cross_entropy(mx.array(1.0), mx.array(0))",
    *[f"binary_cross_entropy(z, mx.zeros({s}))" for s in SHAPES],
    *[f"binary_cross_entropy(z, z, mx.zeros({s}))" for s in SHAPES],
    *[
        f"{name}(z, mx.zeros({s}))"
        for name in "l1_loss mse_loss smooth_l1_loss kl_div_loss hinge_loss huber_loss "
        "log_cosh_loss cosine_similarity_loss".split()
        for s in SHAPES
    ],
    *[f"gaussian_nll_loss(z, z, mx.zeros({s}))" for s in SHAPES],
    *[f"gaussian_nll_loss(z, mx.zeros({s}), z)" for s in SHAPES],
    *[f"margin_ranking_loss(z, z, mx.zeros({s}))" for s in SHAPES],
    *[f"triplet_loss(z, z, mx.zeros({s}))" for s in SHAPES],
    *[f"nll_loss(z, mx.zeros({s}, mx.int32))" for s in SHAPES],
]


@pytest.mark.parametrize("query", ERRORS)
def test_shapes_that_mlx_rejects_are_rejected(query):
    def result(core, library):
        return outcome(
            lambda: eval(query, {"mx": core, "z": core.zeros((2, 4)), **vars(library.losses)})
        )

    own, expected = result(mx, nn), result(apple, apple_nn)
    if isinstance(expected, type):
        assert issubclass(own, expected)
    else:
        assert_same(own, expected, atol=1e-6)


def test_class_indices_must_be_integers():
    with pytest.raises(ValueError, match="integers"):
        nn.losses.cross_entropy(mx.zeros((2, 4)), mx.zeros((2,)))
