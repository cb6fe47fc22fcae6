"""Checkpoints: the same gradients, computed again."""

import mlx.core as apple
import numpy as np
import pytest
from oracle import assert_same

import mlx_oxide.core as mx
import mlx_oxide.nn as nn


def test_gradients_are_those_of_the_function():
    def run(core):
        def layer(x, w):
            return core.tanh(x @ w)

        def loss(x, w, wrap):
            for _ in range(3):
                x = wrap(layer)(x, w)
            return x.sum()

        x = core.arange(6.0).reshape(2, 3) / 6
        w = core.arange(9.0).reshape(3, 3) / 9
        plain = core.grad(loss, argnums=(0, 1))(x, w, lambda f: f)
        checkpointed = core.grad(loss, argnums=(0, 1))(x, w, core.checkpoint)
        return [plain, checkpointed]

    ours, theirs = run(mx), run(apple)
    assert_same(ours, theirs, rtol=1e-5, atol=1e-6)
    assert_same(list(ours[0]), [apple.array(np.array(g)) for g in ours[1]], rtol=1e-6)


def test_trees_and_keywords():
    def run(core):
        f = core.checkpoint(lambda d, k=2: {"z": d["x"] * k})
        x = core.array(3.0)
        return [f({"x": x}, k=3), core.grad(lambda x: f({"x": x}, k=x)["z"])(x)]

    assert_same(run(mx), run(apple))


def test_arrays_from_around_the_function_have_gradients():
    def loss(w):
        return mx.checkpoint(lambda x: (x * w).sum())(mx.ones(3))

    assert mx.grad(loss)(mx.array(2.0)).item() == 3.0


def test_second_derivatives_and_forward_mode():
    f = mx.checkpoint(lambda x: mx.sin(x) * x)
    x = mx.array(0.7)
    second = mx.grad(mx.grad(f))(x).item()
    assert second == pytest.approx(2 * np.cos(0.7) - 0.7 * np.sin(0.7), rel=1e-5)
    tangent = mx.jvp(f, [x], [mx.array(1.0)])[1][0].item()
    assert tangent == pytest.approx(np.sin(0.7) + 0.7 * np.cos(0.7), rel=1e-5)
    mapped = mx.vmap(mx.grad(f))(mx.array([0.7, 0.7]))
    assert np.array(mapped)[1] == pytest.approx(np.sin(0.7) + 0.7 * np.cos(0.7), rel=1e-5)


def test_less_memory_is_held():
    w = mx.random.normal((256, 256)) / 16

    x = mx.random.normal((512, 256))
    mx.eval(x, w)

    def layer(x):
        for _ in range(8):
            x = mx.tanh(x @ w)
        return x

    def peak(wrap):
        def loss(x):
            for _ in range(6):
                x = wrap(layer)(x)
            return x.sum()

        mx.clear_cache()
        mx.reset_peak_memory()
        start = mx.get_active_memory()
        gradient = mx.grad(loss)(x)
        mx.eval(gradient)
        return mx.get_peak_memory() - start, gradient

    plain, expected = peak(lambda f: f)
    checkpointed, found = peak(mx.checkpoint)
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-4, atol=1e-5)
    assert checkpointed < 0.6 * plain, (checkpointed, plain)


def test_the_function_is_not_called_again():
    calls = []

    def f(x):
        calls.append(1)
        return mx.sin(x)

    mx.eval(mx.grad(mx.checkpoint(f))(mx.array(1.0)))
    assert len(calls) == 1


def test_modules_used_twice_sum_their_gradients():
    layer = nn.Linear(4, 4)
    x = mx.random.normal((2, 4))

    def loss(call):
        def run(model, x):
            return call(call(x)).sum()

        return nn.value_and_grad(layer, run)(layer, x)

    value, gradients = loss(layer)
    again, checkpointed = loss(nn.utils.checkpoint(layer))
    assert value.item() == pytest.approx(again.item(), rel=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(
            np.array(checkpointed[name]), np.array(gradient), rtol=1e-4, atol=1e-5
        )


def test_exceptions_pass_through():
    def fail(x):
        raise KeyError("missing")

    with pytest.raises(KeyError):
        mx.checkpoint(fail)(mx.array(1.0))
    with pytest.raises(TypeError):
        mx.checkpoint(5)
