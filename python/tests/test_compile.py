"""Compiled functions compute what the functions compute."""

from functools import partial

import mlx.core as apple
import numpy as np
import pytest
from oracle import assert_same

import mlx_oxide.core as mx


@pytest.fixture(autouse=True)
def enabled():
    mx.enable_compile()
    yield
    mx.enable_compile()


def counted(function):
    calls = []

    def wrapper(*args, **kwargs):
        calls.append(1)
        return function(*args, **kwargs)

    return wrapper, calls


def test_the_function_runs_once_for_each_type():
    function, calls = counted(lambda x: mx.exp(x) + 1)
    compiled = mx.compile(function)
    for _ in range(3):
        np.testing.assert_allclose(np.array(compiled(mx.zeros(3))), 2.0)
    assert len(calls) == compiled.trace_count == 1
    compiled(mx.zeros(4))
    compiled(mx.zeros(3, dtype=mx.float16))
    assert len(calls) == compiled.trace_count == 3
    compiled(mx.zeros(3))
    assert compiled.trace_count == 3


def test_constants_and_structure_are_part_of_the_key():
    function, calls = counted(lambda tree, n=1, name="a": {"out": tree["x"][0] * n, "n": n})
    compiled = mx.compile(function)
    x = mx.array(2.0)
    assert compiled({"x": [x]}, 3)["out"].item() == 6
    assert compiled({"x": [x]}, 4)["out"].item() == 8
    assert compiled({"x": [x]}, 4)["n"] == 4
    assert compiled({"x": [x]}, 4.0)["out"].item() == 8
    assert compiled({"x": (x,)}, 4)["out"].item() == 8
    assert compiled({"x": [x]}, n=4)["out"].item() == 8
    assert compiled({"x": [x]}, n=4, name="b")["out"].item() == 8
    assert compiled({"x": [x]}, n=True)["out"].item() == 2
    assert len(calls) == 7
    compiled({"x": [x]}, n=4, name="b")
    assert len(calls) == 7


def test_results_keep_their_structure():
    compiled = mx.compile(lambda x: ({"a": [x, (x + 1, 3)]}, "text", None))
    for _ in range(2):
        out = compiled(mx.array(1.0))
        assert out[0]["a"][1][0].item() == 2
        assert out[0]["a"][1][1] == 3
        assert out[1:] == ("text", None)


def test_other_objects_are_refused():
    compiled = mx.compile(lambda *args: args[0])
    with pytest.raises(ValueError, match="trees of arrays or constants"):
        compiled(mx.array(1.0), object())
    with pytest.raises(ValueError, match="trees of arrays or constants"):
        compiled(mx.array(1.0), [len])
    with pytest.raises(TypeError):
        mx.compile(3)


def test_state_is_read_and_written_in_place():
    def run(core):
        state = {"a": core.array(1.0), "nested": [core.array(2.0)]}

        def step(x):
            state["a"] = state["a"] + x
            state["nested"][0] = state["nested"][0] * x
            state["new"] = x
            return x - 1

        compiled = core.compile(step, inputs=state, outputs=state)
        seen = []
        for value in (2.0, 3.0, 4.0):
            seen.append(compiled(core.array(value)))
            seen.append(dict(state, nested=list(state["nested"])))
        state["a"] = core.array(100.0)
        compiled(core.array(1.0))
        seen.append(state["a"])
        return seen

    assert_same(run(mx), run(apple))


def test_state_that_is_only_read_stays():
    state = [mx.array(1.0)]

    def step(x):
        state[0] = state[0] + x
        return state[0]

    compiled = mx.compile(step, inputs=state)
    assert compiled(mx.array(2.0)).item() == 3.0
    assert state[0].item() == 1.0
    state[0] = mx.array(5.0)
    assert compiled(mx.array(2.0)).item() == 7.0


def test_in_place_operators_on_state():
    state = [mx.array(1.0)]

    def step(x):
        state[0] += x

    compiled = mx.compile(step, inputs=state, outputs=state)
    for _ in range(3):
        compiled(mx.array(2.0))
    assert state[0].item() == 7.0


def test_constants_in_state_are_part_of_the_key():
    state = {"n": 2}
    compiled = mx.compile(lambda x: x * state["n"], inputs=state)
    assert compiled(mx.array(1.0)).item() == 2
    state["n"] = 5
    assert compiled(mx.array(1.0)).item() == 5


def test_an_exception_leaves_state_as_it_was():
    state = [mx.array(1.0)]

    def step(x):
        state[0] = state[0] + x
        raise KeyError("no")

    with pytest.raises(KeyError):
        mx.compile(step, inputs=state, outputs=state)(mx.array(1.0))
    assert state[0].item() == 1.0


@pytest.mark.parametrize("capture", [False, True])
def test_random_numbers_go_on(capture):
    def draw():
        return mx.random.uniform(shape=(3,)), mx.random.normal()

    state = mx.random.state
    compiled = mx.compile(draw, inputs=state, outputs=state) if capture else mx.compile(draw)
    mx.random.seed(3)
    got = [compiled() for _ in range(3)]
    mx.random.seed(3)
    expected = [draw() for _ in range(3)]
    assert compiled.trace_count == 1
    for ours, theirs in zip(got, expected):
        np.testing.assert_array_equal(np.array(ours[0]), np.array(theirs[0]))
        assert ours[1].item() == theirs[1].item()


def test_functions_that_draw_nothing_leave_the_key():
    mx.random.seed(1)
    before = mx.random.state[0].tolist()
    compiled = mx.compile(lambda x: x + 1)
    compiled(mx.array(1.0))
    compiled(mx.array(1.0))
    assert mx.random.state[0].tolist() == before


def test_disable_compile():
    function, calls = counted(lambda x: x + 1)
    compiled = mx.compile(function)
    mx.disable_compile()
    compiled(mx.array(1.0))
    compiled(mx.array(1.0))
    assert len(calls) == 2
    mx.enable_compile()
    compiled(mx.array(1.0))
    compiled(mx.array(1.0))
    assert len(calls) == 3


def test_the_environment_disables_compile():
    import os
    import subprocess
    import sys

    code = (
        "import mlx_oxide.core as mx\n"
        "calls = []\n"
        "f = mx.compile(lambda x: (calls.append(1), x)[1])\n"
        "f(mx.array(1)); f(mx.array(1)); print(len(calls))\n"
    )
    for value, expected in (("1", "2"), (None, "1")):
        environment = {k: v for k, v in os.environ.items() if k != "MLX_DISABLE_COMPILE"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        if value:
            environment["MLX_DISABLE_COMPILE"] = value
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        assert out.stdout.decode().strip() == expected, out.stderr.decode()


def test_nested_compile():
    inner, calls = counted(lambda x: mx.sin(x) * 2)
    compiled_inner = mx.compile(inner)
    outer = mx.compile(lambda x: compiled_inner(x) + compiled_inner(x * 2))
    x = mx.array(0.5)
    for _ in range(2):
        assert outer(x).item() == pytest.approx(2 * np.sin(0.5) + 2 * np.sin(1.0), rel=1e-6)
    assert len(calls) == 1


def test_gradients_through_and_within():
    def f(x):
        return (mx.tanh(x) * x).sum()

    x = mx.array([0.3, -1.0, 2.0])
    expected = np.array(mx.grad(f)(x))
    for function in (
        mx.grad(mx.compile(f)),
        mx.compile(mx.grad(f)),
        mx.compile(mx.grad(mx.compile(f))),
    ):
        for _ in range(2):
            np.testing.assert_allclose(np.array(function(x)), expected, rtol=1e-6)
    second = mx.compile(mx.grad(lambda x: mx.grad(mx.compile(f))(x).sum()))
    np.testing.assert_allclose(
        np.array(second(x)), np.array(mx.grad(lambda x: mx.grad(f)(x).sum())(x)), rtol=1e-5
    )


def test_stop_gradient_holds_within():
    f = mx.compile(lambda x: x * mx.stop_gradient(x))
    assert mx.grad(f)(mx.array(3.0)).item() == 3.0


def test_vmap_of_compile_and_compile_of_vmap():
    f = mx.compile(lambda x, y: (x * y).sum() + mx.max(x))
    x = mx.array(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))
    expected = [(np.array(row) ** 2).sum() + np.array(row).max() for row in x]
    for function in (mx.vmap(f), mx.compile(mx.vmap(f))):
        for _ in range(2):
            np.testing.assert_allclose(np.array(function(x, x)), expected, rtol=1e-5)


def test_custom_rules_hold_within():
    @mx.custom_function
    def f(x):
        return mx.sin(x)

    @f.vjp
    def _(x, cotangent, output):
        return cotangent * 10

    compiled = mx.compile(lambda x: f(x) + 1)
    x = mx.array(1.0)
    for _ in range(2):
        assert compiled(x).item() == pytest.approx(np.sin(1.0) + 1, rel=1e-6)
        assert mx.grad(compiled)(x).item() == 10.0
    assert mx.compile(mx.grad(f))(x).item() == 10.0


def test_arrays_followed_by_a_gradient_around_are_no_constants():
    @mx.compile
    def once(x):
        return x + 1

    def loss(w):
        compiled = mx.compile(lambda x: x * w)
        return once(compiled(mx.array(3.0)))

    assert mx.grad(loss)(mx.array(2.0)).item() == 3.0
    holder = {}
    compiled = mx.compile(lambda x: x * holder["w"])

    def loss(w):
        holder["w"] = w
        return compiled(mx.array(3.0))

    assert mx.grad(loss)(mx.array(2.0)).item() == 3.0
    assert mx.grad(loss)(mx.array(4.0)).item() == 3.0


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("item", lambda x: x.sum().item()),
        ("bool", lambda x: x if x.sum() > 0 else -x),
        ("tolist", lambda x: x.tolist()),
        ("eval", lambda x: mx.eval(x + 1)),
        ("numpy", lambda x: np.array(x)),
        ("float", lambda x: float(x.sum())),
        ("repr", lambda x: str(x)),
        ("nonzero", lambda x: mx.array([1, 2, 3])[x > 0]),
    ],
)
def test_reading_a_value_while_tracing_is_an_error(name, read):
    with pytest.raises(ValueError, match=r"\[.+\] the value of an array was read .* traced"):
        mx.compile(read)(mx.array([1.0, 2.0, 3.0]))


def test_an_array_that_leaks_is_an_error_when_used():
    leaked = []

    def f(x):
        leaked.append(x * 2)
        return x + 1

    compiled = mx.compile(f)
    assert compiled(mx.array(1.0)).item() == 2.0
    with pytest.raises(RuntimeError, match="after the trace ended"):
        (leaked[0] + 1).item()
    with pytest.raises(RuntimeError, match="after the trace ended"):
        mx.compile(lambda x: x + leaked[0])(mx.array(1.0)).item()
    mx.vmap(f)(mx.ones(3))
    with pytest.raises(RuntimeError, match="after the trace ended"):
        leaked[-1].tolist()


def test_shapeless_serves_other_sizes_without_tracing_again():
    function, calls = counted(lambda x, y: mx.exp(x) * 2 + y)
    compiled = mx.compile(function, shapeless=True)
    for shapes in [((3, 4), (3, 4)), ((5, 2), (5, 2)), ((5, 2), (1, 2)), ((1, 1), (6, 7))]:
        x, y = (mx.random.uniform(shape=shape) for shape in shapes)
        np.testing.assert_allclose(
            np.array(compiled(x, y)), np.exp(np.array(x)) * 2 + np.array(y), rtol=1e-6
        )
    assert len(calls) == 1
    compiled(mx.ones(3), mx.ones(3))
    assert len(calls) == 2
    with pytest.raises(ValueError):
        compiled(mx.ones((3, 2)), mx.ones((2, 3)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.sum() / x.shape[0],
        lambda x: x / len(x),
        lambda x: x.mean(),
        lambda x: x * x.size,
        lambda x: x[:3] * 2,
        lambda x: x.reshape(-1) + 1,
        lambda x: mx.broadcast_to(x, x.shape) + mx.ones(x.shape),
        lambda x: mx.concatenate([x, mx.zeros(3)]),
        lambda x: mx.vjp(lambda y: x * y, [x[:1]], [x])[1][0],
        lambda x: mx.grad(lambda y: (x * y).sum())(x),
        lambda x: mx.softmax(x) + mx.arange(x.size),
        lambda x: mx.compile(lambda y: y / y.shape[0])(x),
        lambda x: mx.where(x > 1, x, 0.0),
    ],
)
def test_shapeless_is_never_stale(function):
    compiled = mx.compile(function, shapeless=True)
    for size in (3, 5, 2, 3, 7):
        x = mx.arange(1.0, size + 1)
        np.testing.assert_allclose(np.array(compiled(x)), np.array(function(x)), rtol=1e-6)


def test_values_are_bit_for_bit_those_of_the_function():
    special = mx.array([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45, 3.0])

    def f(x):
        y = x.astype(mx.float16).astype(mx.float32).astype(mx.float16)
        return [x + 0.0, x - 0.0, x * 1.0, x / 1.0, 1.0 * x, 0.0 + x, -(-x), y, x.T.T, x * 0.0]

    for ours, expected in zip(mx.compile(f)(special), f(special)):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(
            np.array(ours).view(np.uint8), np.array(expected).view(np.uint8)
        )


def test_partial_and_methods():
    class Model:
        def __init__(self):
            self.w = mx.array(2.0)

        @partial(mx.compile, shapeless=True)
        def call(x, y):
            return x * y

        def run(self, x):
            return mx.compile(self.forward)(x)

        def forward(self, x):
            return x * self.w

    assert Model().run(mx.array(3.0)).item() == 6.0
    assert Model.call(mx.array(3.0), mx.array(2.0)).item() == 6.0
    assert mx.compile(partial(lambda a, b: a - b, b=mx.array(1.0)))(mx.array(3.0)).item() == 2.0


def test_training_steps_agree():
    import mlx_oxide.nn as nn
    import mlx_oxide.optimizers as optim

    def train(wrap):
        mx.random.seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
        optimizer = optim.Adam(learning_rate=0.01)
        state = [model.state, optimizer.state, mx.random.state]
        step_of = nn.value_and_grad(model, lambda m, x, y: nn.losses.mse_loss(m(x), y))

        def step(x, y):
            loss, gradients = step_of(model, x, y)
            optimizer.update(model, gradients)
            return loss

        step = wrap(step, state)
        x, y = mx.random.normal((16, 4)), mx.random.normal((16, 1))
        losses = []
        for _ in range(10):
            loss = step(x, y)
            mx.eval(loss, state)
            losses.append(loss.item())
        return losses

    plain = train(lambda step, state: step)
    compiled = train(lambda step, state: mx.compile(step, inputs=state, outputs=state))
    np.testing.assert_allclose(compiled, plain, rtol=1e-5)


def test_threads_share_a_compiled_function():
    from concurrent.futures import ThreadPoolExecutor

    compiled = mx.compile(lambda x: mx.exp(x) * 2)
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda n: compiled(mx.full((n,), 1.0)).tolist(), [3, 4] * 50)
        for values in results:
            np.testing.assert_allclose(values, 2 * np.e, rtol=1e-6)
