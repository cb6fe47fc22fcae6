"""No argument makes a function panic: whatever is wrong is an exception of the usual classes."""

import inspect

import numpy as np
import pytest
from differential import ALL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlx_oxide.core as mx

ALLOWED = (ValueError, TypeError, IndexError, RuntimeError, OverflowError)
EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)
axes = st.integers(-5, 5)


@st.composite
def arrays(draw):
    """Arrays of any dtype and layout with values that are hard: NaN, infinities, extremes."""
    shape, dtype = draw(shapes), getattr(mx, draw(st.sampled_from(ALL)))
    values = st.sampled_from([0, 1, -1, 2, 3, 7, -9, 127, 0.5, float("nan"), float("inf"), -3e38])
    count = int(np.prod(shape))
    numbers = draw(st.lists(values, min_size=count, max_size=count))
    if not mx.issubdtype(dtype, mx.inexact):
        numbers = [int(number) if abs(number) < 1000 else 5 for number in numbers]
    array = mx.array(numbers, dtype=mx.float32).reshape(shape).astype(dtype)
    if draw(st.booleans()):
        array = array.T
    if array.ndim and draw(st.booleans()):
        array = array[:: draw(st.sampled_from([1, 2, -1]))]
    return array


small = st.integers(-4, 7)
anything = st.one_of(
    arrays(),
    small,
    axes,
    st.none(),
    st.booleans(),
    shapes,
    st.lists(axes, max_size=3),
    st.floats(-3, 3),
    st.sampled_from(["same", "edge", "ij", "ij,jk->ik", "zz", float("nan"), 2**70, -(2**63)]),
    st.sampled_from([mx.float32, mx.int8, mx.bool_, mx.complex64]),
    st.lists(arrays(), max_size=3),
)

# Functions of the module that take arrays: everything but those with effects elsewhere.
EFFECTS = {
    "clear_cache", "clear_streams", "set_memory_limit", "set_cache_limit", "set_wired_limit", "reset_peak_memory",
    "set_default_device", "set_default_stream", "new_stream", "new_thread_local_stream", "new_thread_unsafe_stream",
    "synchronize", "stream", "save", "savez", "savez_compressed", "save_safetensors", "save_gguf", "load", "seed",
    "disable_compile", "enable_compile", "set_printoptions", "export_function", "import_function", "exporter", "export_to_dot",
}  # fmt: skip


def functions(module):
    return sorted(
        name
        for name, value in vars(module).items()
        if callable(value) and not inspect.isclass(value) and not name.startswith("_") and name not in EFFECTS
    )


def attempt(function, *arguments, **keywords):
    """Call and evaluate; return the result or an exception of the usual classes."""
    try:
        result = function(*arguments, **keywords)
        leaves = result if isinstance(result, list | tuple) else [result]
        mx.eval([leaf for leaf in leaves if isinstance(leaf, mx.array)])
    except ALLOWED as error:
        return error
    return result


SUBMODULES = [name for name in ("random", "fast", "linalg", "fft") if hasattr(mx, name)]
EVERY = [(mx, name) for name in functions(mx)]
EVERY += [(getattr(mx, module), name) for module in SUBMODULES for name in functions(getattr(mx, module))]


@pytest.mark.parametrize(("module", "name"), EVERY, ids=[name for _, name in EVERY])
def test_no_argument_makes_a_function_panic(module, name):
    @EXAMPLES
    @given(arrays(), st.lists(anything, max_size=3))
    def check(array, others):
        attempt(getattr(module, name), array, *others)

    check()


# What a parameter of a name plausibly takes, so that more than the checks of types is reached.
PLAUSIBLE = {
    **dict.fromkeys(["axis", "axis1", "axis2", "source", "destination", "start_axis", "end_axis"], axes),
    **dict.fromkeys(["axes", "reps", "shift"], st.lists(axes, max_size=3) | axes),
    **dict.fromkeys(["shape", "slice_size", "stride", "padding", "dilation"], shapes | st.lists(small, max_size=4)),
    **dict.fromkeys(["k", "n", "m", "M", "num", "kth", "offset", "size", "repeats", "ddof", "decimals", "groups", "dims"], small),
    **dict.fromkeys(["arrays", "args", "arys"], st.lists(arrays(), max_size=3)),
    **dict.fromkeys(["keepdims", "reverse", "inclusive", "return_index", "equal_nan", "flip"], st.booleans()),
    **dict.fromkeys(["indices", "start_indices", "lhs_indices", "rhs_indices", "segments"],
                    arrays().map(lambda a: mx.nan_to_num(mx.abs(mx.real(a))).astype(mx.int32) % 7)),
    **dict.fromkeys(["low", "high", "scale", "loc", "start", "stop", "step", "fill_value", "vals", "eps"], st.floats(-9, 9) | small),
    "dtype": st.sampled_from([mx.float32, mx.float16, mx.int8, mx.bool_, mx.complex64]),
    "key": st.just(mx.array([1, 2], dtype=mx.uint32)),
    "mode": st.sampled_from(["edge", "constant", "reflect", "symmetric", "full", "same", "valid"]),
    "pad_width": st.lists(st.tuples(small, small), max_size=4) | small,
    "indices_or_sections": st.lists(small, max_size=3) | small,
    "subscripts": st.sampled_from(["ij,jk->ik", "ii", "...i->i...", "i,j,k->", "ab,ba", "ijk->kji"]),
}  # fmt: skip


@pytest.mark.parametrize(("module", "name"), EVERY, ids=[name for _, name in EVERY])
def test_no_plausible_argument_makes_a_function_panic(module, name):
    function = getattr(module, name)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "stream"]

    @EXAMPLES
    @given(st.data())
    def check(data):
        positional, keywords = [], {}
        for parameter in parameters:
            if parameter.default is not parameter.empty and data.draw(st.booleans()):
                continue
            value = data.draw(PLAUSIBLE.get(parameter.name, arrays()), label=parameter.name)
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional.extend(value if isinstance(value, list) else [value])
            elif parameter.kind is parameter.POSITIONAL_ONLY or parameter.name in ("a", "x"):
                positional.append(value)
            elif parameter.kind is not parameter.VAR_KEYWORD:
                keywords[parameter.name] = value
        attempt(function, *positional, **keywords)

    check()


METHODS = sorted(name for name in vars(mx.array) if callable(getattr(mx.array, name, None)) and not name.startswith("_"))


@pytest.mark.parametrize("name", METHODS)
def test_no_argument_makes_a_method_panic(name):
    @EXAMPLES
    @given(arrays(), st.lists(anything, max_size=2))
    def check(array, others):
        attempt(getattr(array, name), *others)

    check()


parts = st.one_of(
    small,
    st.none(),
    st.just(...),
    st.booleans(),
    st.builds(slice, st.none() | small, st.none() | small, st.none() | small),
    arrays(),
    st.lists(small, max_size=3),
)


@EXAMPLES
@given(arrays(), st.lists(parts, max_size=4).map(tuple) | parts)
def test_no_subscript_panics(array, subscript):
    attempt(lambda: array[subscript])


@EXAMPLES
@given(arrays(), st.lists(parts, max_size=4).map(tuple) | parts, arrays() | small | st.floats())
def test_no_assignment_panics(array, subscript, value):
    def assign():
        array[subscript] = value
        return array

    attempt(assign)
    for update in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        attempt(lambda update=update: getattr(array.at[subscript], update)(value))


OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">="]


@pytest.mark.parametrize("operator", OPERATORS)
def test_no_operand_panics(operator):
    code = compile(f"a {operator} b", "<case>", "eval")

    @EXAMPLES
    @given(arrays(), anything)
    def check(array, other):
        attempt(lambda: eval(code, {"a": array, "b": other}))  # noqa: S307
        attempt(lambda: eval(code, {"a": other, "b": array}))  # noqa: S307

    check()


@EXAMPLES
@given(anything | st.text(max_size=3) | st.binary(max_size=5), st.sampled_from([None, mx.int8, mx.float16, mx.complex64]))
def test_no_value_panics_on_the_way_into_an_array(value, dtype):
    attempt(mx.array, value, dtype=dtype)


@pytest.mark.parametrize("shape", [(2**62,), (2**31, 2**31), (2**40, 2**40), (2**63 - 1, 3)])
def test_absurd_sizes_are_errors(shape):
    for make in (mx.zeros, mx.ones, lambda shape: mx.broadcast_to(mx.array(1), shape) + 1):
        with pytest.raises((*ALLOWED, MemoryError)):
            mx.eval(make(shape))


def test_a_long_chain_does_not_overflow_the_stack():
    array = mx.zeros((1,))
    for _ in range(50_000):
        array = array + 1
    assert array.item() == 50_000
