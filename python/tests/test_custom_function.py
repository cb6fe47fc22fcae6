"""Functions with rules of their own, against Apple's."""

import mlx.core as apple
import numpy as np
import pytest
from oracle import assert_same

import mlx_oxide.core as mx


def scaled(core):
    """Make a function whose derivatives are wrong on purpose, so that the rules show."""

    @core.custom_function
    def f(x, y):
        return core.sin(x) * y

    @f.vjp
    def f_vjp(primals, cotangent, output):
        x, y = primals
        return cotangent * 2 * y, cotangent * 3 * output

    @f.jvp
    def f_jvp(primals, tangents):
        return tangents[0] * 5 + tangents[1] * 7

    return f


def both(run):
    ours, theirs = run(mx), run(apple)
    assert_same(ours, theirs, rtol=1e-6)


def test_rules_replace_the_derivatives():
    def run(core):
        f = scaled(core)
        x, y = core.array(0.5), core.array(4.0)
        return [
            f(x, y),
            core.grad(f, argnums=(0, 1))(x, y),
            core.jvp(f, [x, y], [core.array(1.0), core.array(2.0)])[1],
        ]

    both(run)


def test_one_argument_stands_by_itself():
    def run(core):
        @core.custom_function
        def f(x):
            return core.sin(x)

        @f.vjp
        def _(primal, cotangent, output):
            return cotangent * primal * output

        return core.grad(f)(core.array(2.0))

    both(run)


def test_trees_and_constants_reach_the_rule():
    def run(core):
        @core.custom_function
        def f(x, d, n):
            return {"a": x * d["b"] ** n, "c": x}

        @f.vjp
        def _(primals, cotangents, outputs):
            x, d, n = primals
            return cotangents["a"] * n, {"b": cotangents["c"] + outputs["a"]}

        def loss(x, b):
            result = f(x, {"b": b}, 3)
            return result["a"] + 2 * result["c"]

        return core.grad(loss, argnums=(0, 1))(core.array(1.5), core.array(4.0))

    both(run)


def test_missing_rules_come_from_the_function():
    def run(core):
        @core.custom_function
        def f(x):
            return x * x

        @f.vjp
        def _(primal, cotangent, output):
            return cotangent * 10

        x = core.array([1.0, 2.0, 3.0])
        return [core.vmap(f)(x), core.jvp(f, [x], [x])[1]]

    both(run)


def test_vmap_rule():
    def run(core):
        seen = []

        @core.custom_function
        def f(x, y):
            return core.sin(x) * y

        @f.vmap
        def _(inputs, axes):
            seen.append(axes)
            x, y = inputs
            return x + y, 0

        x = core.arange(6.0).reshape(2, 3)
        out = core.vmap(f, in_axes=(1, 1))(x, x)
        assert seen == [(1, 1)]
        return out

    both(run)


def test_the_rule_survives_vmap():
    f = scaled(mx)
    x, y = mx.array([0.5, 1.0]), mx.array([4.0, 5.0])
    got = mx.vmap(mx.grad(f, argnums=(0, 1)))(x, y)
    np.testing.assert_allclose(np.array(got[0]), [8.0, 10.0])
    got = mx.grad(lambda x, y: mx.vmap(f)(x, y).sum(), argnums=(0, 1))(x, y)
    np.testing.assert_allclose(np.array(got[0]), [8.0, 10.0])
    np.testing.assert_allclose(
        np.array(got[1]), 3 * np.sin([0.5, 1.0]) * [4.0, 5.0], rtol=1e-6
    )
    shared = mx.grad(lambda y: mx.vmap(f, in_axes=(0, None))(x, y).sum())(mx.array(4.0))
    np.testing.assert_allclose(shared.item(), 3 * (np.sin([0.5, 1.0]) * 4).sum(), rtol=1e-6)
    tangent = mx.jvp(lambda x: mx.vmap(f)(x, y), [x], [mx.ones(2)])[1][0]
    np.testing.assert_allclose(np.array(tangent), [5.0, 5.0])


def test_rules_differentiate_again():
    @mx.custom_function
    def cube(x):
        return x**3

    @cube.vjp
    def _(x, cotangent, output):
        return cotangent * 3 * x**2

    x = mx.array(2.0)
    assert mx.grad(mx.grad(cube))(x).item() == pytest.approx(12.0)
    assert mx.grad(mx.grad(mx.grad(cube)))(x).item() == pytest.approx(6.0)


def test_none_is_a_zero_gradient():
    @mx.custom_function
    def f(x, y):
        return x * y

    @f.vjp
    def _(primals, cotangent, output):
        return None, cotangent

    one = mx.array(1.0)
    gradients = mx.grad(f, argnums=(0, 1))(one, one)
    assert [gradient.item() for gradient in gradients] == [0.0, 1.0]


def test_errors_of_rules_arrive_as_they_were_raised():
    class Unusual(Exception):
        pass

    @mx.custom_function
    def f(x):
        return x

    @f.vjp
    def _(x, cotangent, output):
        raise Unusual("no gradient today")

    with pytest.raises(Unusual, match="no gradient today"):
        mx.grad(f)(mx.array(1.0))

    @f.vjp
    def _(x, cotangent, output):
        return mx.ones((3,))

    with pytest.raises(ValueError, match="shape"):
        mx.grad(f)(mx.array(1.0))

    @f.vjp
    def _(x, cotangent, output):
        return x, x

    with pytest.raises(ValueError, match="vjp rule"):
        mx.grad(f)(mx.array(1.0))


def test_a_function_is_required():
    with pytest.raises(TypeError):
        mx.custom_function(5)
