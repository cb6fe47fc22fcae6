"""Optimizers against Apple's over many steps: parameters, state, dtypes, errors."""

import mlx.core as apple
import mlx.nn as apple_nn
import mlx.optimizers as apple_optim
import numpy as np
import pytest
from oracle import assert_same, from_oracle, outcome, seed, to_oracle

import mlx_oxide.core as mx
import mlx_oxide.nn as nn
import mlx_oxide.optimizers as optim

OPTIMIZERS = [
    "SGD(0.1)", "SGD(0.1, weight_decay=0.1)",
    "SGD(0.1, momentum=0.9, dampening=0.1, weight_decay=0.01)",
    "SGD(0.1, momentum=0.9, nesterov=True)", "RMSprop(0.1)", "RMSprop(0.1, 0.5, 1e-3)",
    "Adagrad(0.1)", "AdaDelta(1.0)", "AdaDelta(0.5, 0.5, 1e-3)", "Adam(0.1)",
    "Adam(0.1, [0.5, 0.6], 1e-3, bias_correction=True)", "AdamW(0.1, weight_decay=0.1)",
    "AdamW(0.1, bias_correction=True)", "Adamax(0.1)", "Lion(0.1)",
    "Lion(0.1, [0.5, 0.6], 0.1)", "Adafactor()", "Adafactor(warmup_init=True)",
    "Adafactor(0.1, relative_step=False, beta_1=0.9, weight_decay=0.1)",
    "Adafactor(0.1, relative_step=False, scale_parameter=False, clip_threshold=0.5)",
    "Adafactor(scale_parameter=False, decay_rate=-0.5, eps=(1e-8, 1e-2))",
    "Muon(0.1)", "Muon(0.1, nesterov=False, weight_decay=0.0, ns_steps=3)",
    "Adam(cosine_decay(0.1, 4))", "SGD(step_decay(0.1, 0.5, 2), momentum=0.5)",
    "Adam(join_schedules([linear_schedule(0.0, 0.1, 2), exponential_decay(0.1, 0.9)], [2]))",
    "MultiOptimizer([Muon(0.1), Adam(0.01)], [lambda path, g: g.ndim >= 2])",
    "MultiOptimizer([SGD(0.1), Adam(0.1), Lion(0.1)], "
    "[lambda path, g: 'bias' in path, lambda path, g: path.startswith('conv')])",
    "MultiOptimizer([SGD(0.1)])",
]


def make(library, source):
    return eval(source, vars(library))


def random_tree(rng):
    return {
        "weight": rng.standard_normal((3, 4)).astype(np.float32),
        "bias": rng.standard_normal((3,)).astype(np.float32),
        "layers": [
            {"weight": rng.standard_normal((12, 3)).astype(np.float32)},
            {"conv": rng.standard_normal((2, 3, 3, 2)).astype(np.float32)},
        ],
        "scale": np.float32(rng.standard_normal()),
    }


def arrays(core, tree, dtype="float32"):
    from mlx_oxide.utils import tree_map

    return tree_map(lambda a: core.array(a).astype(getattr(core, dtype)), tree)


@pytest.mark.parametrize("source", OPTIMIZERS)
def test_five_steps_are_the_same(source):
    rng = np.random.default_rng(4)
    start = random_tree(rng)
    ours, theirs = make(optim, source), make(apple_optim, source)
    parameters, expected = arrays(mx, start), arrays(apple, start)
    for _ in range(5):
        gradients = random_tree(rng)
        parameters = ours.apply_gradients(arrays(mx, gradients), parameters)
        expected = theirs.apply_gradients(arrays(apple, gradients), expected)
        # Muon multiplies matrices in another order of rounding errors.
        assert_same(parameters, expected, rtol=1e-5, atol=1e-6)
        assert_same(ours.state, theirs.state, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gradient_dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("parameter_dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("source", OPTIMIZERS)
def test_dtypes_mix_as_in_mlx(source, parameter_dtype, gradient_dtype):
    rng = np.random.default_rng(4)
    start, gradients = random_tree(rng), random_tree(rng)
    ours, theirs = make(optim, source), make(apple_optim, source)
    for _ in range(2):
        result = ours.apply_gradients(
            arrays(mx, gradients, gradient_dtype), arrays(mx, start, parameter_dtype)
        )
        expected = theirs.apply_gradients(
            arrays(apple, gradients, gradient_dtype), arrays(apple, start, parameter_dtype)
        )
        assert_same(result, expected, rtol=2e-2, atol=2e-2)
        assert_same(ours.state, theirs.state, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("source", OPTIMIZERS)
def test_states_are_initialized_alike(source):
    start = random_tree(np.random.default_rng(4))
    ours, theirs = make(optim, source), make(apple_optim, source)
    ours.init(arrays(mx, start)), theirs.init(arrays(apple, start))
    assert_same(ours.state, theirs.state)


@pytest.mark.parametrize("source", OPTIMIZERS)
def test_training_resumes_from_a_saved_state_of_either_library(source):
    rng = np.random.default_rng(4)
    start, first, second = (random_tree(rng) for _ in range(3))
    theirs = make(apple_optim, source)
    expected = theirs.apply_gradients(arrays(apple, first), arrays(apple, start))
    saved, middle = from_oracle(theirs.state), from_oracle(expected)
    expected = theirs.apply_gradients(arrays(apple, second), expected)

    resumed = make(optim, source)
    resumed.state = saved
    result = resumed.apply_gradients(arrays(mx, second), middle)
    assert_same(result, expected, rtol=1e-5, atol=1e-6)
    assert_same(resumed.state, theirs.state, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("source", OPTIMIZERS)
def test_models_train_alike(source):
    def train(core, library, optimizers):
        seed(3)
        model = library.Sequential(library.Linear(6, 8), library.Tanh(), library.Linear(8, 2))
        optimizer = make(optimizers, source)
        x, y = core.random.normal((16, 6)), core.random.normal((16, 2))
        step = library.value_and_grad(
            model, lambda x, y: library.losses.mse_loss(model(x), y)
        )
        values = []
        for _ in range(6):
            value, gradients = step(x, y)
            optimizer.update(model, gradients)
            core.eval(model.parameters(), optimizer.state)
            values.append(value)
        return {"values": values, "parameters": model.parameters()}

    # Lion takes whole steps by signs, so a rounding error near zero would show: none does.
    assert_same(
        train(mx, nn, optim), train(apple, apple_nn, apple_optim), rtol=1e-4, atol=1e-5
    )


ERRORS = [
    "SGD(0.1, nesterov=True)", "SGD(0.1, momentum=0.9, dampening=0.1, nesterov=True)",
    "Adam(0.1, betas=[2, 0.9])", "Adam(0.1, betas=[0.9, -1])", "Adam(0.1, eps=-1)",
    "AdamW(0.1, eps=-1)", "Adamax(0.1, eps=-1)", "Lion(0.1, betas=[2, 2])",
    "RMSprop(0.1, alpha=-1)", "RMSprop(0.1, eps=-1)", "Adagrad(0.1, eps=-1)",
    "AdaDelta(0.1, rho=-1)", "AdaDelta(0.1, eps=-1)", "RMSprop(0.1, eps=0)", "Adagrad(0.1, eps=0)",
    "MultiOptimizer([SGD(0.1)], [lambda k, v: True])", "MultiOptimizer([SGD(0.1), Adam(0.1)])",
    "MultiOptimizer([])",
]


@pytest.mark.parametrize("source", ERRORS)
def test_constructors_reject_what_mlx_rejects_in_its_words(source):
    def said(library):
        try:
            make(library, source)
        except Exception as error:  # noqa: BLE001
            return type(error), str(error)
        return None

    assert said(optim) == said(apple_optim)


QUERIES = [
    "Adafactor(relative_step=False).apply_gradients({'a': one}, {'a': one})", "Adam(None)",
    "Adam('x')", "Optimizer().apply_gradients({'a': one}, {'a': one})", "Optimizer().learning_rate",
    "SGD(0.1).apply_gradients({'zz': one}, {'a': one})", "SGD(0.1).apply_gradients({}, {'a': one})",
    "Adafactor().learning_rate", "SGD(0.1).learning_rate.item()", "SGD(0.1).step.item()",
    "str(SGD(mx.array(0.1, mx.float16)).learning_rate.dtype)[-7:]",
    "(o := SGD(0.1)).apply_gradients({'a': one}, {'a': one, 'b': one}) and "
    "o.apply_gradients({'b': one}, {'a': one, 'b': one})",
    "setattr(MultiOptimizer([SGD(0.1)]), 'state', {'states': []})",
    "setattr(MultiOptimizer([SGD(0.1)]), 'state', {'x': 1})",
    "(o := SGD(0.1), setattr(o, 'learning_rate', 0.7), o.learning_rate.item())[2]",
    "(o := SGD(lambda s: s * 0.5), o.apply_gradients({}, {}), o.apply_gradients({}, {}), "
    "setattr(o, 'learning_rate', 9.0), o.apply_gradients({}, {}), o.learning_rate.item())[-1]",
    "[o.learning_rate.item() for o in (m := MultiOptimizer([SGD(0.1), Adam(0.2)], [max]), "
    "setattr(m, 'learning_rate', 0.5))[0].optimizers]",
    "sorted(Optimizer({'learning_rate': step_decay(1.0, 0.1, 2)}).state)",
]


@pytest.mark.parametrize("query", QUERIES)
def test_optimizers_answer_as_mlx_does(query):
    def result(core, library):
        return outcome(lambda: eval(query, {**vars(library), "mx": core, "one": core.ones((1,))}))

    own, other = result(mx, optim), result(apple, apple_optim)
    if isinstance(other, type) and isinstance(own, type):
        assert issubclass(own, other)  # an `ArgumentError` is a `TypeError` and a `ValueError`
    else:
        assert own == other


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int32"])
@pytest.mark.parametrize("max_norm", [0.0, 1.0, 3, 100.0])
def test_norms_are_clipped_alike(max_norm, dtype):
    tree = {"a": np.array([3.0, 4.0]), "b": [np.array([[1.0, 2.0]]), np.array(5.0)]}
    assert_same(
        optim.clip_grad_norm(arrays(mx, tree, dtype), max_norm),
        apple_optim.clip_grad_norm(arrays(apple, tree, dtype), max_norm),
        rtol=1e-2 if dtype.endswith("16") else 1e-6,
    )


def test_clipping_nothing_gives_nothing():
    clipped, norm = optim.clip_grad_norm({}, 1.0)
    assert clipped == {} and norm.item() == 0


def test_an_optimizer_that_gets_no_parameter_is_no_error():
    optimizer = optim.MultiOptimizer([optim.SGD(0.1), optim.SGD(1.0)], [lambda path, g: False])
    updated = optimizer.apply_gradients({"a": mx.ones((1,))}, {"a": mx.ones((1,))})
    assert updated["a"].item() == 0 and optimizer.step.item() == 1


def test_states_go_through_the_oracle():
    optimizer = optim.Adam(0.1)
    optimizer.apply_gradients({"a": mx.ones((2,))}, {"a": mx.ones((2,))})
    theirs = apple_optim.Adam(0.1)
    theirs.state = to_oracle(optimizer.state)
    assert_same(optimizer.state, theirs.state)
