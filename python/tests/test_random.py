"""Random numbers: the same keys give the same numbers as Apple's MLX gives."""

import threading

import mlx.core as apple
import numpy as np
import pytest
from differential import same

import mlx_oxide.core as mx

EXACT = [
    "key(0)",
    "key(2**40 + 5)",
    "key(2**64 - 1)",
    "key(-1)",
    "split(key)",
    "split(key, 5)",
    "split(key, num=1)",
    "uniform(key=key)",
    "uniform(shape=(5, 3), key=key)",
    "uniform(-1, 1, (7,), key=key)",
    "uniform(low=mx.array([0.0, 10]), high=mx.array([1.0, 20]), shape=(3, 2), key=key)",
    "uniform(shape=(9,), dtype=mx.float16, key=key)",
    "uniform(shape=(9,), dtype=mx.bfloat16, key=key)",
    "uniform(shape=(9,), dtype=mx.int32, key=key)",
    "uniform(mx.zeros((3,)), 1, (2,), key=key)",
    "uniform(shape=(0, 3), key=key)",
    "randint(0, 10, (20,), key=key)",
    "randint(-5, 5, (3, 4), dtype=mx.int8, key=key)",
    "randint(-5, 5, (30,), key=key)",
    "randint(-100, -50, (30,), dtype=mx.int64, key=key)",
    "randint(mx.array([0, 100]), mx.array([10, 200]), (5, 2), key=key)",
    "randint(0, 10, (3,), dtype=mx.float32, key=key)",
    "randint(0, 1000000, (50,), dtype=mx.uint32, key=key)",
    "bernoulli(key=key)",
    "bernoulli(0.3, (20,), key=key)",
    "bernoulli(mx.array([0.0, 0.5, 1.0]), key=key)",
    "bernoulli(mx.array([0.1, 0.9]), (4, 2), key=key)",
    "bernoulli(mx.array([0.1, 0.9]), (3,), key=key)",
    "permutation(10, key=key)",
    "permutation(mx.arange(12).reshape(4, 3), key=key)",
    "permutation(mx.arange(12).reshape(4, 3), axis=1, key=key)",
    "categorical(mx.zeros((4, 5)), key=key)",
    "categorical(mx.array([[0.0, 5, 1], [2, 0, 9]]), num_samples=6, key=key)",
    "categorical(mx.zeros((4, 5)), axis=0, key=key)",
    "categorical(mx.zeros((4, 5)), shape=(3, 4), key=key)",
    "categorical(mx.zeros((4, 5)), shape=(3, 4), num_samples=2, key=key)",
    "uniform(key=mx.array([1, 2]))",
    "uniform(key=mx.array([1, 2, 3], dtype=mx.uint32))",
]

# Through the inverse error function, whose last bit differs.
CLOSE = [
    "normal(key=key)",
    "normal((100,), key=key)",
    "normal((4, 3), loc=2, scale=0.5, key=key)",
    "normal((3,), loc=mx.array([1.0, 2, 3]), scale=mx.array(2.0), key=key)",
    "normal((9,), dtype=mx.float16, key=key)",
    "normal((9,), dtype=mx.bfloat16, key=key)",
    "normal((9,), dtype=mx.int32, key=key)",
    "truncated_normal(-1, 1, (50,), key=key)",
    "truncated_normal(mx.array([-1.0, 0]), 2, (5, 2), key=key)",
    "truncated_normal(mx.array([-1.0, 0]), 2, key=key)",
    "truncated_normal(0, 1, (9,), mx.float16, key=key)",
    "truncated_normal(0, 1, (9,), mx.int32, key=key)",
    "truncated_normal(mx.array([-1.0, 0]), 2, (3,), key=key)",
    "gumbel((20,), key=key)",
    "gumbel(dtype=mx.float16, key=key)",
    "laplace((20,), key=key)",
    "laplace((20,), loc=1.0, scale=2.0, key=key)",
    "laplace((9,), mx.float16, key=key)",
    "laplace((9,), mx.int32, key=key)",
    "laplace(key=key)",
]

# Through singular values and vectors.
JOINTLY_NORMAL = [
    "mx.zeros(2), mx.eye(2)",
    "mx.array([10.0, 20]), mx.array([[2, 0.5], [0.5, 1]]), (5,)",
    "mx.array([1, 2]), mx.array([[2, 0.5], [0.5, 1]]), (5, 3)",
    "mx.zeros(2), mx.array([[1.0, 1], [1, 1]]), (4,)",
    "mx.zeros((3, 2)), mx.eye(2)",
    "mx.zeros((3, 2)), mx.eye(2), (4, 3)",
    "mx.zeros((4, 1, 2)), mx.broadcast_to(mx.eye(2), (3, 2, 2)), (5, 4, 3)",
    "mx.zeros(2), mx.broadcast_to(mx.eye(2), (3, 2, 2)), (1,)",
    "mx.zeros(3, dtype=mx.float16), mx.diag(mx.array([1.0, 4, 9])), (7,)",
    "mx.zeros(3), mx.eye(3), dtype=None",
    "mx.zeros((3, 2)), mx.eye(2), (4,)",
    "mx.zeros(2), mx.eye(3)",
    "mx.zeros(2), mx.zeros((2, 3))",
    "mx.array(1.0), mx.eye(2)",
    "mx.zeros(2), mx.zeros(2)",
    "mx.zeros(2), mx.eye(2), dtype=mx.float16",
]


def draw(source):
    code = compile(f"mx.random.{source}", "<case>", "eval")
    return lambda core, key: eval(code, {"mx": core, "key": key})  # noqa: S307


@pytest.mark.parametrize("source", EXACT)
def test_numbers_are_the_same_bit_for_bit(source):
    for key in ([0, 0], [3, 9], [2**32 - 1, 7]):
        same(draw(source), (np.array(key), "uint32"), note=source)


@pytest.mark.parametrize("source", CLOSE)
def test_numbers_are_the_same(source):
    tolerance = 1e-2 if "float16" in source or "bfloat16" in source else 2e-6
    for key in ([0, 0], [3, 9], [2**32 - 1, 7]):
        same(draw(source), (np.array(key), "uint32"), note=source, rtol=tolerance, atol=tolerance / 8)


DRAWS = {
    "bits": mx.random.bits,
    "uniform": lambda shape, key: mx.random.uniform(shape=shape, key=key),
    "uniform between bounds": lambda shape, key: mx.random.uniform(-3, 0.1, shape, key=key),
    "normal": mx.random.normal,
    "normal around 2": lambda shape, key: mx.random.normal(shape, loc=2, scale=3, key=key),
    "normal complex": lambda shape, key: mx.random.normal(shape, mx.complex64, key=key),
    "normal bfloat16": lambda shape, key: mx.random.normal(shape, mx.bfloat16, key=key),
    "randint": lambda shape, key: mx.random.randint(-7, 1000, shape, key=key),
    "randint of many": lambda shape, key: mx.random.randint(-(2**24), 2**24, shape, key=key),
    "randint of one": lambda shape, key: mx.random.randint(5, 6, shape, key=key),
    "randint of none": lambda shape, key: mx.random.randint(5, 3, shape, key=key),
    "bernoulli": lambda shape, key: mx.random.bernoulli(0.3, shape, key=key),
}


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_of_a_known_key_are_those_of_one_that_is_computed_later(name):
    function = DRAWS[name]
    for seed, shape in enumerate([(), (1,), (0, 3), (5,), (2, 3, 4), (127,), (8, 16), (129,)] * 3):
        key = mx.random.key(seed)
        later = mx.random.key(0) + mx.array([0, seed], mx.uint32)
        known, computed = function(shape, key=key), function(shape, key=later)
        assert known.shape == shape and known.dtype == computed.dtype
        assert mx.array_equal(known, computed)


@pytest.mark.parametrize("arguments", JOINTLY_NORMAL)
def test_jointly_normal_vectors_are_the_same(arguments):
    source = f"multivariate_normal({arguments}, key=key)"
    for key in ([0, 0], [3, 9]):
        same(draw(source), (np.array(key), "uint32"), note=source, rtol=1e-5, atol=1e-5)


def test_jointly_normal_vectors_have_the_covariance():
    covariance = np.array([[2, 0.9, 0], [0.9, 1, -0.3], [0, -0.3, 0.5]], np.float32)
    mean = np.array([1, -2, 3], np.float32)
    drawn = np.array(mx.random.multivariate_normal(mx.array(mean), mx.array(covariance), (100_000,)))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05)


def test_the_state_is_a_sequence_of_one_key():
    for core in (apple, mx):
        state = core.random.state
        assert type(state) is core.random._RandomState
        assert len(state) == 1
        assert [key.shape for key in state] == [(2,)]
        assert core.array_equal(state[-1], state[0])
        assert core.random.state is state
        with pytest.raises(IndexError):
            state[1]
        with pytest.raises(TypeError):
            type(state)()
        core.eval(state, [state])


def test_the_state_can_be_set():
    mx.random.state[0] = mx.random.key(5)
    first = mx.random.uniform(shape=(3,))
    mx.random.seed(5)
    assert mx.array_equal(mx.random.uniform(shape=(3,)), first)
    for wrong in (mx.array([1.0, 2.0]), mx.array([1, 2, 3], dtype=mx.uint32), 3):
        with pytest.raises(ValueError, match="key"):
            mx.random.state[0] = wrong


@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: [state], lambda state: {"a": (state,)}])
def test_compiled_functions_draw_on(wrap):
    def run(core):
        core.random.seed(3)
        state = wrap(core.random.state)
        f = core.compile(lambda x: x + core.random.uniform(shape=(2,)), inputs=state, outputs=state)
        return [f(core.zeros(2)), f(core.zeros(2)), core.random.state[0]]

    same(run)


def test_a_thread_has_its_own_sequence():
    for core in (apple, mx):
        core.random.seed(3)
        before = np.array(core.random.state[0])
        found = []

        def draw_there(core=core, found=found):
            found.append(np.array(core.random.state[0]))
            core.eval(core.random.uniform(shape=(3,)))
            core.random.seed(9)
            found.append(np.array(core.random.state[0]))

        threads = [threading.Thread(target=draw_there) for _ in range(2)]
        for thread in threads:
            thread.start()
            thread.join()
        assert np.array_equal(np.array(core.random.state[0]), before)
        assert np.array_equal(found[1], found[3])
        assert not np.array_equal(found[0], before)


def test_the_sequence_after_a_seed_is_the_same():
    def sequence(mx):
        mx.random.seed(42)
        numbers = [mx.random.uniform(shape=(3,)) for _ in range(3)]
        numbers.append(mx.random.randint(0, 100, (4,)))
        numbers.append(mx.random.bernoulli(shape=(4,)))
        return [*numbers, mx.random.state[0]]

    same(sequence)


def test_a_seed_begins_anew():
    def again(mx):
        mx.random.seed(7)
        first = mx.random.uniform(shape=(3,))
        mx.random.seed(7)
        return [len(mx.random.state), first, mx.random.uniform(shape=(3,))]

    same(again)
