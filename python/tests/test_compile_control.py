"""Branches and loops in the graph."""

import numpy as np
import pytest

import mlx_oxide.core as mx


@pytest.fixture(autouse=True)
def enabled():
    mx.enable_compile()


def branch(x, y):
    return mx.cond(x.sum() > 0, lambda x, y: mx.sin(x) * y, lambda x, y: x * x + y, x, y)


def test_cond_computes_one_branch():
    for value in (2.0, -2.0):
        x, y = mx.array([value, value]), mx.array([3.0, 4.0])
        n, m = np.array(x), np.array(y)
        expected = np.sin(n) * m if value > 0 else n * n + m
        for function in (branch, mx.compile(branch)):
            np.testing.assert_allclose(np.array(function(x, y)), expected, rtol=1e-6)
        gradient = mx.grad(lambda x, y: branch(x, y).sum(), argnums=(0, 1))
        slope = (np.cos(n) * m, np.sin(n)) if value > 0 else (2 * n, np.ones(2))
        for function in (gradient, mx.compile(gradient)):
            for ours, theirs in zip(function(x, y), slope):
                np.testing.assert_allclose(np.array(ours), theirs, rtol=1e-6)
        tangent = mx.jvp(branch, [x, y], [mx.ones(2), mx.ones(2)])[1][0]
        np.testing.assert_allclose(np.array(tangent), slope[0] + slope[1], rtol=1e-6)


def test_cond_under_vmap():
    x = mx.array([[1.0, 2.0], [-1.0, -2.0], [0.5, 0.5]])
    y = mx.array([3.0, 4.0])
    n, m = np.array(x), np.array(y)
    expected = np.where(n.sum(1, keepdims=True) > 0, np.sin(n) * m, n * n + m)
    got = mx.vmap(branch, in_axes=(0, None))(x, y)
    np.testing.assert_allclose(np.array(got), expected, rtol=1e-6)
    shared = mx.vmap(lambda x, p: mx.cond(p, lambda x: x * 2, lambda x: x, x), in_axes=(0, None))
    np.testing.assert_allclose(np.array(shared(x, mx.array(True))), n * 2)
    gradient = mx.vmap(mx.grad(lambda x: branch(x, y).sum()))(x)
    expected = np.where(n.sum(1, keepdims=True) > 0, np.cos(n) * m, 2 * n)
    np.testing.assert_allclose(np.array(gradient), expected, rtol=1e-6)


def test_cond_follows_arrays_from_around():
    w = mx.array(3.0)

    def loss(w):
        return mx.cond(w > 0, lambda: w * w, lambda: w)

    assert mx.grad(loss)(w).item() == 6.0
    assert mx.grad(loss)(-w).item() == 1.0
    with pytest.raises(ValueError, match="cond"):
        mx.cond(w > 0, lambda: w, lambda: mx.ones(3))
    with pytest.raises(ValueError, match="predicate"):
        mx.cond(mx.ones(3) > 0, lambda: w, lambda: w)


def steps(x, limit):
    """Double x until it is greater than the limit; count."""
    return mx.while_loop(
        lambda state: state["x"] <= limit,
        lambda state: {"x": state["x"] * 2, "n": state["n"] + 1},
        {"x": x, "n": 0},
    )


def test_while_loop():
    for function in (steps, mx.compile(steps)):
        out = function(mx.array(1.0), mx.array(100.0))
        assert out["x"].item() == 128.0
        assert out["n"].item() == 7
    tangent = mx.jvp(lambda x: steps(x, 100.0)["x"], [mx.array(1.0)], [mx.array(1.0)])[1][0]
    assert tangent.item() == 128.0
    out = mx.vmap(steps, in_axes=(0, None))(mx.array([1.0, 200.0, 30.0]), mx.array(100.0))
    assert out["x"].tolist() == [128.0, 200.0, 120.0]
    assert out["n"].tolist() == [7, 0, 2]
    out = mx.vmap(steps)(mx.array([1.0, 1.0]), mx.array([3.0, 50.0]))
    assert out["x"].tolist() == [4.0, 64.0]
    with pytest.raises(ValueError, match="while_loop.*scan"):
        mx.grad(lambda x: steps(x, 100.0)["x"])(mx.array(1.0))
    with pytest.raises(ValueError, match="type of the state|differ"):
        mx.while_loop(lambda x: x < 3, lambda x: x.astype(mx.float16), mx.array(1.0))
    with pytest.raises(ValueError, match="structure"):
        mx.while_loop(lambda x: x < 3, lambda x: [x], mx.array(1.0))


def test_scan():
    def cell(carry, x):
        carry = mx.tanh(carry * 0.5 + x["a"])
        return carry, (carry * 2, x["b"])

    a = mx.array(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    b = mx.arange(5)
    for reverse in (False, True):
        carry, outputs = np.zeros(3), []
        order = range(4, -1, -1) if reverse else range(5)
        for place in order:
            carry = np.tanh(carry * 0.5 + np.array(a)[place])
            outputs.append(carry * 2)
        if reverse:
            outputs.reverse()

        def run(a):
            return mx.scan(cell, mx.zeros(3), {"a": a, "b": b}, reverse=reverse)

        for function in (run, mx.compile(run)):
            last, (stacked, places) = function(a)
            np.testing.assert_allclose(np.array(last), carry, rtol=1e-5)
            np.testing.assert_allclose(np.array(stacked), outputs, rtol=1e-5)
            assert places.tolist() == [0, 1, 2, 3, 4]

    def unrolled(a):
        carry, total = mx.zeros(3), 0
        for place in range(5):
            carry, (out, _) = cell(carry, {"a": a[place], "b": b[place]})
            total = total + out.sum()
        return total + carry.sum()

    def scanned(a):
        last, (stacked, _) = mx.scan(cell, mx.zeros(3), {"a": a, "b": b})
        return stacked.sum() + last.sum()

    np.testing.assert_allclose(
        np.array(mx.grad(scanned)(a)), np.array(mx.grad(unrolled)(a)), rtol=1e-5
    )
    ones = mx.ones(a.shape)
    np.testing.assert_allclose(
        mx.jvp(scanned, [a], [ones])[1][0].item(),
        mx.jvp(unrolled, [a], [ones])[1][0].item(),
        rtol=1e-5,
    )
    batch = mx.stack([a, a * 2])
    np.testing.assert_allclose(
        np.array(mx.vmap(scanned)(batch)), [scanned(a).item(), scanned(a * 2).item()], rtol=1e-5
    )


def test_scan_without_slices_and_of_length_zero():
    last, out = mx.scan(lambda c, _: (c * 2, c), mx.array(1.0), length=4)
    assert last.item() == 16.0
    assert out.tolist() == [1.0, 2.0, 4.0, 8.0]
    last, out = mx.scan(lambda c, x: (c + x, c), mx.array(1.0), mx.zeros((0,)))
    assert last.item() == 1.0
    assert out.shape == (0,)
    with pytest.raises(ValueError, match="length"):
        mx.scan(lambda c, _: (c, c), mx.array(1.0))
    with pytest.raises(ValueError, match="length"):
        mx.scan(lambda c, x: (c, c), mx.array(1.0), mx.zeros(3), length=4)
    with pytest.raises(ValueError, match="carry"):
        mx.scan(lambda c, x: (mx.zeros(2), c), mx.array(1.0), mx.zeros(3))


def near(found, expected, tolerance=2e-5):
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_scans_under_every_transform_agree_with_loops(reverse, wrapped):
    mx.random.seed(0)
    w, b = mx.random.normal((4, 4)) * 0.5, mx.random.normal((4,))
    h, x = mx.random.normal((2, 4)), mx.random.normal((6, 2, 4))
    maybe_compiled = mx.compile if wrapped else lambda function: function

    def cell(w, b, carry, x):
        carry = mx.tanh(carry @ w + x) * b
        return carry, carry * x

    def scanned(w, b=b, h=h, x=x):
        last, out = mx.scan(lambda carry, x: cell(w, b, carry, x), h, x, reverse=reverse)
        return (out**2).sum() + last.sum() * 3

    def looped(w, b=b, h=h, x=x):
        carry, total = h, 0
        for place in range(5, -1, -1) if reverse else range(6):
            carry, out = cell(w, b, carry, x[place])
            total = total + (out**2).sum()
        return total + carry.sum() * 3

    def first(function):
        return maybe_compiled(mx.grad(function, argnums=(0, 1, 2, 3)))(w, b, h, x)

    for found, expected in zip(first(scanned), first(looped), strict=True):
        near(found, expected)

    def second(function):
        squares = lambda w: (mx.grad(function)(w) ** 2).sum()
        return maybe_compiled(mx.grad(squares))(w)

    near(second(scanned), second(looped), 3e-4)

    def pushed(function):
        return mx.jvp(mx.grad(function), [w], [mx.ones((4, 4))])[1][0]

    near(pushed(scanned), pushed(looped), 3e-4)
    many = mx.stack([w, w * 2, -w])
    mapped = maybe_compiled(mx.vmap(mx.grad(scanned)))(many)
    near(mapped, mx.stack([mx.grad(looped)(w) for w in many]), 1e-4)
    slices = mx.stack([x, x * 2], axis=2)
    mapped = mx.vmap(lambda x: scanned(w, b, h, x), in_axes=2)
    near(mapped(slices), [looped(w, b, h, x).item(), looped(w, b, h, x * 2).item()])
    near(mx.grad(lambda x: mapped(x).sum())(slices)[:, :, 0], first(looped)[3], 1e-4)
    near(mx.grad(mx.checkpoint(scanned))(w), first(looped)[0])


def test_scans_in_scans_with_branches():
    w = mx.array([0.3, -0.4])

    def scanned(w):
        def outer(carry, x):
            inner, out = mx.scan(lambda k, y: (mx.sin(k * w.sum() + y), k), carry, x)
            return mx.cond(inner > 0, lambda v: v * 2, lambda v: v - 1, inner), out

        last, out = mx.scan(outer, mx.array(0.3), mx.arange(6.0).reshape(2, 3))
        return last + out.sum()

    def looped(w):
        carry, total = mx.array(0.3), 0
        for row in range(2):
            for column in range(3):
                total = total + carry
                carry = mx.sin(carry * w.sum() + float(3 * row + column))
            carry = mx.where(carry > 0, carry * 2, carry - 1)
        return carry + total

    near(scanned(w), looped(w))
    for function in (mx.grad(scanned), mx.compile(mx.grad(scanned))):
        near(function(w), mx.grad(looped)(w))
    rows = mx.stack([w, w * 0.5])
    near(mx.vmap(mx.grad(scanned))(rows), mx.stack([mx.grad(looped)(row) for row in rows]))


def test_integers_carried_by_a_scan_have_no_tangents():
    def run(a):
        def step(carry, x):
            value, count = carry
            return (value + x, count + 1), value * count

        return mx.scan(step, (a, mx.array(0)), mx.ones(3))[1]

    one = mx.array(1.0)
    outputs, tangents = mx.jvp(run, [one], [one])
    assert outputs[0].tolist() == [0, 2, 6]
    assert tangents[0].tolist() == [0, 1, 2]
    assert mx.grad(lambda a: run(a).sum())(one).item() == 3
