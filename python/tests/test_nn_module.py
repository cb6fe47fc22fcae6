"""The module class against Apple's: storage, selection, replacement, freezing, gradients."""

import copy
import pickle

import mlx.core as apple
import mlx.nn as apple_nn
import pytest
from oracle import assert_same, outcome, seed

import mlx_oxide.core as mx
import mlx_oxide.nn as nn
from mlx_oxide.utils import tree_flatten


def nested(core, library):
    class Nested(library.Module):
        def __init__(self):
            super().__init__()
            self.a = core.zeros((2,))
            self.l = [library.Linear(1, 2), library.ReLU()]
            self.d = {
                "x": library.Linear(1, 1),
                "arr": core.zeros((1,)),
                "deep": {"q": [core.zeros((1,)), library.Sequential(library.BatchNorm(2))]},
            }
            self._p = core.zeros((1,))
            self._m = library.Linear(1, 1)
            self.n = None
            self.f = 3
            self.t = (library.Linear(1, 1),)
            self.ints = [1, 2]
            self.mix = [core.zeros((1,)), 3, None, library.Linear(1, 1)]

    seed(3)
    return Nested()


@pytest.fixture
def pair():
    return nested(mx, nn), nested(apple, apple_nn)


def described(value):
    """Reduce a result to what can be compared between the libraries."""
    if isinstance(value, (mx.array, apple.array)):
        return ("array", value.tolist())
    if isinstance(value, type):
        return value
    if isinstance(value, (nn.Module, apple_nn.Module)):
        return repr(value)
    if isinstance(value, dict):
        return {key: described(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(child) for child in value]
    return value


QUERIES = [
    "m.parameters()", "m.trainable_parameters()", "m.children()", "m.leaf_modules()",
    "[n for n, _ in m.named_modules()]", "[type(x).__name__ for x in m.modules()]",
    "list(m)", "sorted(vars(m))", "repr(m)", "m.state is m", "m.training", "m.f", "m.nope",
    "setattr(m, 'training', False)", "nn.Module.is_module(m)", "m.is_module(3)",
    "nn.Module.valid_child_filter(m, 'a', m.a)", "nn.Module.valid_child_filter(m, 'l', m.l)",
    "nn.Module.valid_parameter_filter(m, '_p', m._p)", "delattr(m, 'a')", "delattr(m, 'f')",
    "delattr(m, 'zz')", "(delattr(m, 'a'), list(m))", "m()", "bool(nn.ReLU())",
    "(setattr(m, 'a', None), list(m), 'a' in vars(m))",
    "(setattr(m, 'f', mx.zeros((1,))), list(m), 'f' in vars(m))",
    # update
    "m.update({'l': [{'weight': mx.ones((2, 1))}]}).l[0].weight",
    "m.update({'zzz': mx.zeros(1)})", "list(m.update({'zzz': mx.zeros(1)}, strict=False))",
    "m.update({'a': 5})", "m.update({'a': 5}, strict=False).a", "m.update({'a': {'b': 1}})",
    "m.update(5)", "m.update({})", "m.update({'l': [{}, {}, {'weight': mx.ones((2, 1))}]})",
    "m.update({'l': [{}, {}, {'weight': mx.ones((2, 1))}]}, strict=False)",
    "m.update({'l': {'0': mx.zeros(1)}})",
    "m.update({'d': {'x': {'bias': mx.ones(1)}, 'arr': mx.ones(1)}}).parameters()",
    "m.update({'d': {'new': mx.ones(1)}})", "m.update({'mix': [mx.ones(1)]}).mix",
    "m.update({'f': mx.ones(1)})", "m.update({'l': mx.ones(1)})", "m.update({'l': [mx.ones(1)]})",
    "m.update({'_p': mx.ones(1)})._p", "m.update({'a': None})",
    "m.update({'t': [{'bias': mx.ones(1)}]}).t[0].bias",
    # update_modules
    "m.update_modules({'l': [nn.ReLU()]}).l", "m.update_modules({'zz': nn.ReLU()})",
    "m.update_modules({'zz': nn.ReLU()}, strict=False)",
    "m.update_modules({'d': {'x': nn.ReLU()}}).d", "m.update_modules({'d': {'y': nn.ReLU()}})",
    "m.update_modules({'a': nn.Linear(1, 1)})",
    "m.update_modules({'l': [{}, {}, nn.ReLU()]})", "m.update_modules({'l': [mx.zeros(1)]})",
    "m.update_modules({'_m': nn.ReLU()})._m", "m.update_modules(5)",
    "m.update_modules({'l': [{'q': nn.ReLU()}]})", "m.update_modules({'l': {}})",
    "m.update_modules({'l': [1]})", "m.update_modules({'d': 5})",
    "m.update_modules({'l': [5]}, strict=False)",
    # freezing
    "sorted(m.freeze()._no_grad)", "m.freeze().trainable_parameters()",
    "sorted(m.freeze(recurse=False)._no_grad)", "m.freeze(recurse=False).trainable_parameters()",
    "m.freeze(keys='bias').trainable_parameters()", "m.freeze(keys='bias', strict=True)",
    "m.freeze(keys='nope', strict=True)", "m.freeze(keys=['bias', 'nope'], strict=True)",
    "m.freeze(keys='bias', recurse=False, strict=True)",
    "m.freeze(keys='d.arr').trainable_parameters()", "m.freeze(keys='d').trainable_parameters()",
    "m.freeze().unfreeze().trainable_parameters()",
    "m.freeze().unfreeze(keys='bias').trainable_parameters()",
    "m.freeze().unfreeze(keys='nope', strict=True)",
    "m.freeze().unfreeze(keys='d.arr', recurse=False).trainable_parameters()", "m.freeze(5)",
    "nn.BatchNorm(2).trainable_parameters()",
    # mapping
    "m.apply(lambda x: x + 1).parameters()",
    "m.apply(lambda x: x + 1, lambda m, k, v: k == 'a').a",
    "m.filter_and_map(lambda m, k, v: True)",
    "m.filter_and_map(nn.Module.valid_parameter_filter, lambda x: list(x.shape))",
    "m.filter_and_map(lambda m, k, v: k == 'weight')",
    "m.filter_and_map(nn.Module.valid_child_filter)",
    "m.filter_and_map(lambda m, k, v: True, is_leaf_fn=lambda m, k, v: isinstance(v, dict))",
    "m.set_dtype(mx.float16)", "m.set_dtype(mx.int32, None)",
    "(m.set_dtype(mx.float16), [str(p.dtype)[-7:] for p in [m.a, m.mix[0], m.l[0].weight]])",
    "m.train(False).training", "[x.training for x in m.eval().modules()]",
    "nn.Sequential(nn.Linear(1, 1)).apply_to_modules(lambda path, module: None)",
    # weights
    "nn.Linear(2, 1).load_weights([('weight', mx.zeros((1, 2)))])",
    "nn.Linear(2, 1).load_weights([('weight', mx.zeros((1, 2))), ('bias', mx.zeros(1)), ('x', 1)])",
    "nn.Linear(2, 1).load_weights([('weight', mx.zeros((2, 2))), ('bias', mx.zeros(1))])",
    "nn.Linear(2, 1).load_weights([('weight', 3), ('bias', mx.zeros(1))])",
    "nn.Linear(2, 1).load_weights([('weight', mx.zeros((2, 2)))], strict=False).weight",
    "nn.Linear(2, 1).load_weights([('zz', mx.zeros(1))], strict=False)",
    "nn.Linear(2, 1).load_weights('nowhere.txt')", "nn.Linear(2, 1).save_weights('a.txt')",
    "nn.Linear(2, 1).load_weights(5)",
]


@pytest.mark.parametrize("query", QUERIES)
def test_module_answers_as_mlx_does(pair, query):
    ours, theirs = pair
    seed(9)
    own = outcome(lambda: eval(query, {"m": ours, "nn": nn, "mx": mx}))
    seed(9)
    expected = outcome(lambda: eval(query, {"m": theirs, "nn": apple_nn, "mx": apple}))
    assert described(own) == described(expected)


MESSAGES = [
    "m.load_weights([])", "m.update({'zzz': mx.zeros(1)})", "m.update({'a': 5})",
    "m.update_modules({'zz': nn.ReLU()})", "m.freeze(keys='nope', strict=True)", "m.nope",
    "nn.Linear(2, 1).load_weights([('weight', mx.zeros((2, 2))), ('bias', mx.zeros(1))])",
    "nn.Linear(2, 1).load_weights([('x', mx.zeros(1))])",
]


@pytest.mark.parametrize("query", MESSAGES)
def test_errors_say_what_mlx_says(pair, query):
    said = []
    for module, library, core in ((pair[0], nn, mx), (pair[1], apple_nn, apple)):
        with pytest.raises(Exception) as error:
            eval(query, {"m": module, "nn": library, "mx": core})
        said.append(str(error.value))
    assert said[0] == said[1]


def test_modules_can_be_copied_and_pickled(pair):
    for module in (nn.Linear(2, 3), pair[0].l[0]):
        for copied in (
            copy.copy(module), copy.deepcopy(module), pickle.loads(pickle.dumps(module))
        ):
            assert repr(copied) == repr(module)
            assert mx.array_equal(copied.weight, module.weight).item()
            assert copied.training is module.training


def test_frozen_batch_statistics_stay_frozen_and_unfreeze_returns_the_module():
    norm = nn.BatchNorm(2)
    assert norm.freeze().unfreeze() is norm
    assert list(norm.trainable_parameters()) == ["weight", "bias"]


def test_gaps_of_frozen_arrays_in_containers_are_no_update():
    module = nested(mx, nn).freeze(keys=["mix.0", "d.arr"])
    assert module.update(module.trainable_parameters()) is module
    assert isinstance(module.mix[0], mx.array)


def test_partial_weights_leave_other_arrays_of_a_list_alone():
    module = nn.Module()
    module.arrays = [mx.zeros((1,)), mx.zeros((1,))]
    module.load_weights([("arrays.1", mx.ones((1,)))], strict=False)
    assert [array.item() for array in module.arrays] == [0, 1]


def losses(library):
    return lambda model, x, y: library.losses.mse_loss(model(x), y)


@pytest.mark.parametrize("frozen", [[], ["bias"]])
def test_value_and_grad_follows_trainable_parameters(frozen):
    results = []
    for core, library in ((mx, nn), (apple, apple_nn)):
        seed(1)
        model = library.Sequential(library.Linear(3, 4), library.Tanh(), library.Linear(4, 2))
        model.freeze(keys=frozen)
        x, y = core.random.normal((5, 3)), core.random.normal((5, 2))
        results.append(library.value_and_grad(model, losses(library))(model, x, y))
    assert_same(*results, rtol=1e-5, atol=1e-7)


def test_value_and_grad_keeps_the_name_and_further_outputs():
    model = nn.Linear(2, 1)

    def loss(x):
        return model(x).sum(), x

    step = nn.value_and_grad(model, loss)
    assert step.__name__ == "loss"
    (value, x), gradients = step(mx.ones((3, 2)))
    assert x.shape == (3, 2) and gradients["weight"].tolist() == [[3, 3]]


def test_value_and_grad_of_a_frozen_model_is_an_error():
    model = nn.Linear(2, 1).freeze()
    with pytest.raises(ValueError):
        nn.value_and_grad(model, lambda x: model(x).sum())(mx.ones((1, 2)))


def test_a_failed_loss_leaves_the_model_usable():
    model = nn.Linear(2, 1)
    before = model.weight.tolist()

    def loss(x):
        model(x)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        nn.value_and_grad(model, loss)(mx.ones((1, 2)))
    assert model.weight.tolist() == before


def test_checkpointed_gradients_are_the_plain_ones():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    x = mx.random.normal((5, 3))
    plain = nn.value_and_grad(model, lambda x: model(x).sum())(x)
    checkpointed = nn.utils.checkpoint(model)
    again = nn.value_and_grad(model, lambda x: checkpointed(x).sum())(x)
    for (_, a), (_, b) in zip(tree_flatten(plain), tree_flatten(again)):
        assert mx.allclose(a, b).item()
    assert nn.utils.checkpoint(model, losses(nn)).__name__ == losses(nn).__name__


def test_gradients_in_a_group_of_one_stay_as_they_are():
    gradients = {"a": [mx.ones((2,)), mx.ones((3,)).astype(mx.float16)]}
    for size in (0, 1024):
        assert nn.average_gradients(gradients, all_reduce_size=size) == gradients
    for norm in (1.0, 10.0):
        assert_same(
            nn.utils.clip_grad_norm_sharded({"a": mx.ones((4,))}, norm),
            apple_nn.utils.clip_grad_norm_sharded({"a": apple.ones((4,))}, norm),
            rtol=1e-6,
        )
