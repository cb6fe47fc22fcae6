"""Dtypes of results: pairs of arrays, arrays with numbers, functions of every dtype."""

from decimal import Decimal
from fractions import Fraction

import mlx_oxide.core as mx
import numpy as np
import pytest
from differential import ALL, same, same_text

OPERATIONS = ["a + b", "a - b", "a * b", "a / b", "a // b", "a % b", "a ** b", "a < b", "mx.maximum(a, b)", "mx.arctan2(a, b)",
              "mx.where(True, a, b)", "mx.logaddexp(a, b)", "a & b", "a << b", "a @ b", "mx.concatenate([a, b])",
              "mx.stack([a, b])", "mx.result_type(a, b)", "mx.result_type(a.dtype, b.dtype)", "mx.outer(a, b)", "mx.inner(a, b)",
              "mx.isclose(a, b)", "mx.logical_and(a, b)", "mx.array_equal(a, b)", "mx.searchsorted(a, b)",
              "mx.put_along_axis(a, mx.array([0]), b, axis=0)"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_pairs_of_dtypes_promote_alike(operation):
    for first in ALL:
        for second in ALL:
            if "//" in operation and "complex64" in (first, second):
                continue  # an error here: docs/differences.md
            if operation in ("a & b", "a << b") and ({"complex64", "uint64"} & {first, second}):
                continue  # which may promote to floats; a ValueError here, as of the other floats
            # Apple's 8-bit matrix products of complex numbers aside, dtypes alone are compared
            same_text(f"getattr({operation}, 'dtype', {operation})", (np.array([1]), first), (np.array([1]), second))


NUMBERS = ["2", "2.5", "True", "1j", "-1", "300", "2**40", "1e300", "np.float64(2)", "np.int8(2)"]
WEAK = ["a + {}", "{} + a", "a * {}", "a / {}", "a ** {}", "{} - a", "a == {}", "a < {}", "mx.maximum(a, {})", "mx.where(a, a, {})",
        "mx.where(a, {}, a)", "mx.add({}, a)", "mx.power({}, a)", "mx.full_like(a, {})", "mx.clip(a, {}, None)", "a | {}", "a << {}",
        "mx.pad(a, 1, constant_values={})", "mx.isclose(a, {})", "mx.arctan2(a, {})"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("form", WEAK)
def test_numbers_adapt_alike(form, number):
    source = form.format(number)
    for dtype in ALL:
        if "np." in number and dtype == "bool_":
            continue  # Apple's makes a bool of it
        same_text(f"({source}).dtype", (np.array([1]), dtype))


@pytest.mark.parametrize("number", ["2", "2.5", "True", "-1", "300"])
@pytest.mark.parametrize("form", ["a + {}", "a * {}", "{} - a", "a < {}", "a == {}"])
def test_results_with_numbers_agree(form, number):
    for dtype in ALL:
        if dtype == "bool_" and number == "True" and "-" in form:
            continue
        same_text(form.format(number), (np.array([0, 1, 1]), dtype), rtol=1e-2)


CALLS = ["mx.exp(a)", "mx.sum(a)", "mx.mean(a)", "mx.var(a)", "mx.cumsum(a)", "mx.cumprod(a)", "mx.cummax(a)", "mx.logcumsumexp(a)",
         "mx.prod(a)", "mx.max(a)", "mx.all(a)", "mx.argmax(a)", "mx.argsort(a)", "mx.sort(a)", "mx.softmax(a)", "mx.logsumexp(a)",
         "mx.abs(a)", "mx.sign(a)", "mx.square(a)", "mx.sqrt(a)", "mx.round(a)", "mx.round(a, 1)", "mx.floor(a)", "mx.isnan(a)",
         "mx.reciprocal(a)", "mx.real(a)", "mx.imag(a)", "mx.conjugate(a)", "mx.degrees(a)", "mx.sigmoid(a)", "mx.erf(a)",
         "mx.logical_not(a)", "mx.nan_to_num(a)", "mx.trace(a[None])", "mx.median(a)", "mx.std(a)", "mx.any(a)", "mx.topk(a, 1)",
         "mx.tril(a[None])", "mx.diag(a)", "mx.repeat(a, 2)", "mx.linspace(0, 1, 3)", "mx.outer(a, 2)",
         "mx.expm1(a)", "mx.log1p(a)", "mx.arctan(a)", "mx.stop_gradient(a)", "mx.contiguous(a)", "mx.eye(2, dtype=a.dtype)"]


@pytest.mark.parametrize("call", CALLS)
def test_functions_give_the_same_dtypes(call):
    for dtype in ALL:
        same_text(f"({call}).dtype", (np.array([1]), dtype))


@pytest.mark.parametrize("source", ["mx.issubdtype(mx.float32, mx.floating)", "mx.issubdtype(mx.int8, mx.float32)",
                                    "mx.issubdtype(mx.integer, mx.number)", "mx.issubdtype(mx.bool_, mx.generic)",
                                    "mx.issubdtype(mx.uint8, mx.signedinteger)", "mx.issubdtype(mx.complex64, mx.inexact)"])
def test_categories_agree(source):
    same(lambda mx: eval(source, {"mx": mx}))  # noqa: S307


def saying(name, number):
    """An object that says by one method which number it is."""
    return type("Number", (), {name: lambda _: number})()


@pytest.mark.parametrize(
    "made, number",
    [
        (lambda: Fraction(5, 2), 2.5),
        (lambda: Decimal("2.5"), 2.5),
        (lambda: saying("__float__", 2.5), 2.5),
        (lambda: saying("__index__", 3), 3),
        (lambda: saying("__complex__", 1j), 1j),
    ],
)
def test_operands_that_say_their_number_are_taken_as_it(made, number):
    """Apple's library makes them complex, whatever they are: docs/differences.md."""
    for dtype in (mx.float16, mx.float32, mx.int8, mx.complex64):
        x = mx.array([1, 2, 3], dtype=dtype)
        for call in (
            lambda other: x + other,
            lambda other: other - x,
            lambda other: mx.multiply(x, other),
            lambda other: mx.where(mx.array([True, False, True]), x, other),
            lambda other: x == other,
        ):
            found, expected = call(made()), call(number)
            assert found.dtype == expected.dtype
            assert found.tolist() == expected.tolist()


def test_operands_that_are_no_number_are_errors():
    for other in (object(), "1", {}, saying("__str__", "1")):
        with pytest.raises(ValueError, match="addition|array"):
            mx.array([1.0]) + other
    with pytest.raises(ValueError, match="addition"):
        mx.array([1], dtype=mx.int8) + saying("__index__", 300)
