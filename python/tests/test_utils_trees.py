"""Tree functions against Apple's."""

from collections import OrderedDict, namedtuple

import mlx.nn as apple_nn
import mlx.utils as apple_utils
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import outcome

import mlx_oxide.nn as nn
import mlx_oxide.utils as utils

Point = namedtuple("Point", "a b")


class Listed(list):
    pass


QUERIES = [
    "tree_flatten({'a': [1, (2, {'b': 3})], 'c': None, 'e': {}, 'l': [], 't': ()})",
    "tree_flatten(5)", "tree_flatten(5, prefix='.x')", "tree_flatten([[[0]]], prefix='.hello')",
    "tree_flatten({'a': 1}, prefix='hello')", "tree_flatten({1: 2})",
    "tree_flatten({'a': 1, 'b': 2}, destination={})", "tree_flatten({'a': 1}, destination=[0])",
    "tree_flatten({'a': 1}, destination=())", "tree_flatten({'a': 1}, destination={'a': 5})",
    "tree_flatten({'a': [1, 2]}, is_leaf=lambda x: isinstance(x, list))",
    "tree_flatten(Point(1, 2))", "tree_flatten(None)", "tree_flatten('str')",
    "tree_unflatten([('a.b', 1), ('a.c', 2)])", "tree_unflatten([('', 5)])", "tree_unflatten([])",
    "tree_unflatten({})", "tree_unflatten([('0', 1), ('2', 2)])",
    "tree_unflatten([('1', 1), ('0', 2)])", "tree_unflatten([('a.0.x', 1), ('a.2.x', 2)])",
    "tree_unflatten([('0', 1), ('b', 2)])", "tree_unflatten([('b', 1), ('0', 2)])",
    "tree_unflatten({'a': 1, 'a.b': 2})", "tree_unflatten([('a.b', 2), ('a', 1)])",
    "tree_unflatten([('10', 1), ('9', 2)])", "tree_unflatten([('', 5), ('a', 1)])",
    "tree_unflatten([('a..b', 1)])", "tree_unflatten({'': 3})", "tree_unflatten([('01', 3)])",
    "tree_map(lambda x: x + 1, {'a': [1, (2,)]})",
    "tree_map(lambda x, y: (x, y), {'a': 1}, {'a': 2, 'b': 3})",
    "tree_map(lambda x, y: (x, y), {'a': 1}, {'b': 3})",
    "tree_map(lambda x, y: (x, y), [1, 2], [3])", "tree_map(lambda x, y: (x, y), [1], [3, 4])",
    "tree_map(lambda x, y: (x, y), (1, 2), [3, 4])", "tree_map(lambda x, y: (x, y), {'a': 1}, 5)",
    "tree_map(lambda x: x, Point(1, 2))", "type(tree_map(lambda x: x, Listed([1])))",
    "type(tree_map(lambda x: x, OrderedDict(a=1)))", "tree_map(lambda x: 1, None)",
    "tree_map(lambda x, y: (x, y), {'a': [1]}, {'a': [3]}, is_leaf=lambda x: type(x) is list)",
    "tree_map(lambda x, y: (x, y), {'a': 1}, {'a': {'b': 2}})", "tree_map(lambda x, y: 0, {}, 5)",
    "type(tree_map(lambda x: x, nn.Linear(1, 1)))",
    "tree_map_with_path(lambda p, x: p, {'a': [1, (2, {'b': 3})]})",
    "tree_map_with_path(lambda p, x: p, 5)", "tree_map_with_path(lambda p, x: p, [5], path='z')",
    "tree_map_with_path(lambda p, x: p, 5, path='z')",
    "tree_map_with_path(lambda p, x, y: (p, y), [5], [6])",
    "tree_map_with_path(lambda p, x: p, {1: 5})", "tree_map_with_path(lambda p, x: p, Point(1, 2))",
    "tree_reduce(lambda a, x: a + x, {'a': [1, 2, 3], 'b': (4, 5)}, 0)",
    "tree_reduce(lambda a, x: a + x, {'a': [1, 2, 3], 'b': (4, 5)})",
    "tree_reduce(lambda a, x: a + x, [])", "tree_reduce(lambda a, x: a + x, [], 7)",
    "tree_reduce(lambda a, x: a + x, [None, 1, 2])", "tree_reduce(lambda a, x: a + x, 5, 1)",
    "tree_reduce(lambda a, x: a + len(x), [[1, 2], [3]], 0, lambda x: x and type(x[0]) is int)",
    "tree_merge({'a': 1}, {'b': 2})", "tree_merge({'a': 1}, {'a': 2})",
    "tree_merge({'a': 1}, {'a': 2}, lambda x, y: x + y)", "tree_merge([1, 2], [3, 4])",
    "tree_merge([{'a': 1}, {}], [{}, {'b': 2}])", "tree_merge([{'a': 1}], [{'b': 2}, {'c': 3}])",
    "tree_merge([], [1])", "tree_merge({}, 5)", "tree_merge(5, {})", "tree_merge(None, 5)",
    "tree_merge(5, None)", "tree_merge(({'a': 1},), ({'b': 1},))",
    "tree_merge({'a': []}, {'a': {'b': 1}})", "tree_merge({'a': [1]}, {'a': {'b': 1}})",
    "tree_merge(Point(None, 1), Point(2, None))", "tree_merge([1, 2], [3], lambda x, y: (x, y))",
    "tree_merge([{'x': 1}], ({'y': 1},))", "tree_merge('', 5)",
    "tree_merge({'a': None}, {'a': None})", "tree_merge({'a': 1}, {'a': None})",
    "tree_merge((), [])", "tree_merge({}, [])", "tree_merge({}, {})", "tree_merge([], ())",
    "tree_merge([1], [None, 2, 3])", "tree_merge({'a': 1}, [])", "tree_merge({'a': 1}, [1])",
    "tree_merge(None, None)", "tree_merge([1], {}, lambda a, b: 0)",
    "tree_merge({'a': 1}, {'a': {'b': 1}}, lambda a, b: (a, b))",
]


@pytest.mark.parametrize("query", QUERIES)
def test_tree_functions_answer_as_mlx_does(query):
    shared = {"Point": Point, "Listed": Listed, "OrderedDict": OrderedDict}
    own = outcome(lambda: eval(query, {**shared, "nn": nn, **vars(utils)}))
    expected = outcome(lambda: eval(query, {**shared, "nn": apple_nn, **vars(apple_utils)}))
    assert own == expected and type(own) is type(expected)


keys = st.text("abc", min_size=1, max_size=2)
trees = st.recursive(
    st.integers(),
    lambda inner: st.lists(inner, min_size=1, max_size=3)
    | st.dictionaries(keys, inner, min_size=1, max_size=3),
)


@given(trees)
def test_unflatten_inverts_flatten(tree):
    assert utils.tree_unflatten(utils.tree_flatten(tree)) == tree
    assert utils.tree_unflatten(utils.tree_flatten(tree, destination={})) == tree


@given(trees)
def test_trees_are_walked_as_mlx_walks_them(tree):
    assert utils.tree_flatten(tree) == apple_utils.tree_flatten(tree)
    double = lambda x: 2 * x  # noqa: E731
    assert utils.tree_map(double, tree) == apple_utils.tree_map(double, tree)


@given(st.dictionaries(keys, trees, max_size=3), st.dictionaries(keys, trees, max_size=3))
def test_trees_merge_as_in_mlx(a, b):
    def merge(library):
        return lambda: library.tree_merge(a, b, lambda x, y: (x, y))

    assert outcome(merge(utils)) == outcome(merge(apple_utils))


def test_a_path_that_occurs_twice_is_an_error_rather_than_endless_recursion():
    with pytest.raises(ValueError, match="a.b"):
        utils.tree_unflatten([("a.b", 1), ("a.b", 2)])
