"""The differences that docs/differences.md lists, as rules that tell when this library is right.

A case that differs from MLX's outcome is accepted only by one of these rules, and each of them says
what this library must do instead. Its `row` is the beginning of a row of the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import UNSIGNED
from comparison import mismatch
from numpy_cases import by_numpy
from readings import mapped
from sweep_case import INTEGERS, Case, same_but_dtype, same_values


@dataclass(frozen=True)
class Difference:
    """A row of docs/differences.md: the cases that it speaks of, and whether one is right."""

    row: str
    applies: Callable[[Case], bool]
    right: Callable[[Case], bool]


def _refused_by_type(case: Case) -> bool:
    texts = ("Cannot perform", "unsupported operand", "incompatible function arguments", "array initialization", "std::bad_cast", "Invalid type")
    return any(text in case.message for text in texts)


def _zero_gradients(case: Case) -> bool:
    """Whether what MLX gives a gradient is zero here, of the dtype of the input."""
    if case.own[0] == "error" or case.other[0] == "error":
        return False
    if case.function in ("vjp", "jvp", "value_and_grad"):
        if len(case.own[1]) != 2 or len(case.other[1]) != 2:
            return False
        outputs, gradients = case.own[1]
        if mismatch(outputs, case.other[1][0]):
            return False
    else:
        gradients = case.own
    leaves = gradients[1] if gradients[0] in ("list", "tuple") else [gradients]
    return all(leaf[1] in ("bool", *INTEGERS) and not np.any(leaf[3]) for leaf in leaves)


def _float64_accuracy(case: Case) -> bool:
    if mismatch(case.own, case.other, loose=True):
        return False
    return isinstance(by_numpy(case.source), Exception) or case.agrees_with_numpy()


def _as_float32(case: Case) -> bool:
    """Whether the outcome is MLX's of the arrays as `float32`, in whichever dtype."""
    return _like(case, "{}.astype(mx.float32)")


def _like(case: Case, wrap: str) -> bool:
    other = case.ask([mapped(case.source, wrap)])[0]
    return same_but_dtype(case.own, other)


def _parts(case: Case) -> bool:
    """Whether a linear function of a complex array is that of both parts."""
    parts = [mapped(case.source, f"mx.{part}({{}})") for part in ("real", "imag")]
    return case.agrees_with(f"({parts[0]}) + 1j * ({parts[1]})")


def _bilinear(case: Case) -> bool:
    """Whether a function that is linear in both of two complex arrays is made of the parts'."""
    arrays = _ARRAY.findall(case.source)[:2]
    if len(arrays) < 2:
        return False
    a, b = arrays

    def part(left: str, right: str) -> str:
        return case.source.replace(a, f"mx.{left}({a})", 1).replace(b, f"mx.{right}({b})")

    if a == b:
        return True
    real = f"({part('real', 'real')}) - ({part('imag', 'imag')})"
    imaginary = f"({part('real', 'imag')}) + ({part('imag', 'real')})"
    return case.agrees_with(f"({real}) + 1j * ({imaginary})")


def _factors(case: Case) -> bool:
    """Whether what is made of complex matrices is NumPy's, or refused where NumPy refuses it."""
    if case.fails:
        return case.raises("ValueError", "RuntimeError") and isinstance(by_numpy(case.source), Exception)
    return case.agrees_with_numpy() or _empty(case.own)


def _product_of_quantized(case: Case) -> bool:
    """Whether a product quantizes both operands as MLX does."""
    found = re.fullmatch(rf"mx.(?:gather_)?qqmm\(({_ARRAY.pattern}), ({_ARRAY.pattern})(?:, mode=('\w+'))?\)", case.source)
    refused = "'affine'" in case.source or not case.dtypes <= {"float16", "bfloat16", "float32"}
    if not found or refused:
        return case.raises("ValueError")
    mode = found[3] or "'nvfp4'"
    x, w = (f"mx.dequantize(*mx.quantize({array}, mode={mode}), mode={mode}, dtype=mx.float32)" for array in found.groups()[:2])
    other = case.ask([f"mx.matmul({x}, mx.swapaxes({w}, -1, -2))"])[0]
    return case.raises("ValueError") if other[0] == "error" else same_but_dtype(case.own, other)


def _is_right_as(case: Case, source: str) -> bool:
    """Whether the outcome would be right for another source."""
    return not unexplained(Case(source, case.own, case.ask([source])[0], case.ask, True))


def _by_zero(case: Case) -> bool:
    """Whether integers are divided by zero, which 2³³ is in 32 bits and less, to give zero."""
    zero = by_numpy(case.source.replace("(2**33)", "0"))
    return case.function in ("divmod", "remainder", "floor_divide") and not isinstance(zero, Exception) and same_values(case.own, zero)


def _clips(case: Case, source: str) -> bool:
    """Whether `clip` by no bound, or by the first alone, is right."""
    if case.agrees_with(source.replace("mx.clip(", "mx.array(")):
        return True
    return not source.endswith("None)") and _is_right_as(case, source[:-1] + ", None)")


def _by_function(case: Case) -> bool:
    """Whether a reflected operator is MLX's function of the same operands."""
    parts = re.split(r" (<<|>>|[&|^]) (?=arr)", case.source, maxsplit=1)
    if len(parts) != 3:
        return False
    left, operator, right = parts
    names = {"&": "bitwise_and", "|": "bitwise_or", "^": "bitwise_xor", "<<": "left_shift", ">>": "right_shift"}
    return _is_right_as(case, f"mx.{names[operator]}({left}, {right})")


_ARRAY = re.compile(r"arr\([^()]*\([^()]*\)[^()]*\)")
_REFLECTED = re.compile(r"unsupported operand type\(s\) for (<<|>>|[&|^])")
_REFUSAL = re.compile(r"Only allowed on|Cannot (scatter|gather) with|[Oo]nly supports|[Uu]nsupported|[Nn]ot supported|not implemented")


def _all(outcome: Any, number: float) -> bool:
    return outcome[0] == "array" and bool(np.all(outcome[3] == number))


def _compared_to_text(case: Case) -> bool:
    """Whether a comparison with text is MLX's one answer for every element."""
    return case.own[0] == "numpy" and case.other[0] == "value" and bool(np.all(case.own[3] == case.other[1]))


def _power_in_double(case: Case) -> bool:
    """Whether powers are those of double precision, as far as `complex64` holds them."""
    double = by_numpy(case.source.replace("complex64", "complex128"))
    if isinstance(double, Exception) or case.own[0] != "array" or np.shape(double) != case.own[2]:
        return False
    own, size = case.own[3].astype(np.complex128), np.abs(double)
    held = np.isfinite(double) & (size > 1e-30) & (size < 1e37)
    # the rounding of a great angle is as great, so it is the size alone that both have in common
    close = np.isclose(np.abs(own), size, rtol=1e-4)
    return bool(np.all(close[held]))


def _divided_truths(case: Case) -> bool:
    """Whether truth values stay so, and are MLX's quotients unless those are of nothing by nothing."""
    if case.own[:2] != ("array", "bool") or case.other[0] != "array":
        return False
    quotients = case.other[3]
    known = ~np.isnan(quotients)
    return bool(np.array_equal(case.own[3][known], quotients[known] != 0))


def _empty(outcome: Any) -> bool:
    """Whether all arrays of an outcome are without elements."""
    if outcome[0] in ("list", "tuple"):
        return all(map(_empty, outcome[1]))
    return outcome[0] == "array" and 0 in outcome[2]


DIFFERENCES: Sequence[Difference] = (
    Difference(
        "| what ends MLX's process",
        lambda case: case.other[0] in ("died", "hung"),
        lambda case: (
            case.fails
            or _empty(case.own)
            or _by_zero(case)
            or case.agrees_with_numpy()
            or case.agrees_with(case.source.replace("reshape()", "reshape(())"))
        ),
    ),
    Difference(
        "| one number where a shape is wanted",
        _refused_by_type,
        lambda case: case.agrees_with_a_reading(),
    ),
    Difference(
        "| arguments of a wrong type",
        lambda case: "std::bad_cast" in case.message,
        lambda case: case.raises("TypeError", "ValueError", "OverflowError"),
    ),
    Difference(
        "| integers beyond 64 bits",
        lambda case: ("1 << 70" in case.source or "1 << 63" in case.source) and case.other[0] == "error" and "TypeError" in case.other[1],
        lambda case: case.raises("OverflowError"),
    ),
    Difference(
        "| any NumPy array or number beside",
        lambda case: "np." in case.source or "b'x'" in case.source,
        lambda case: case.agrees_with_a_reading(),
    ),
    Difference(
        "| integer `//`, `%` and `divmod` by zero",
        lambda case: case.function in ("divmod", "remainder", "floor_divide") and bool(case.dtypes & {*INTEGERS}),
        lambda case: case.agrees_with_numpy() or _by_zero(case),
    ),
    Difference(
        "| shifts by the width or more",
        lambda case: "shift" in case.function,
        # of unsigned integers a negative number is a great one
        lambda case: case.agrees_with_numpy() or (bool(re.search(r"1 << 63|-1", case.source)) and _all(case.own, 0)),
    ),
    Difference(
        "| `float64` `exp`, `sin`",
        lambda case: "float64" in case.dtypes and case.other[0] != "error",
        _float64_accuracy,
    ),
    Difference(
        "| `logsumexp`, and `softmax`",
        lambda case: case.function in ("logsumexp", "softmax") and (case.is_reading or bool(case.dtypes & {*INTEGERS})),
        _as_float32,
    ),
    Difference(
        "| `logsumexp` of no elements",
        lambda case: "[logsumexp] Received empty array" in case.message,
        lambda case: _all(case.own, -np.inf),
    ),
    Difference(
        "| `isclose` of unsigned integers",
        lambda case: case.function in ("isclose", "allclose") and bool(case.dtypes & {*UNSIGNED, "bool_"}),
        lambda case: _like(case, "{}.astype(mx.float32)"),
    ),
    Difference(
        "| `floor_divide` of complex numbers",
        lambda case: case.function in ("floor_divide", "divmod") and bool(re.search("complex64|3j", case.source)),
        lambda case: case.raises("ValueError"),
    ),
    Difference(
        "| `nan_to_num` of `float64`",
        lambda case: "Does not yet support given type" in case.message,
        lambda case: case.agrees_with_numpy(),
    ),
    Difference(
        "| `hadamard_transform` of complex numbers",
        lambda case: case.function == "hadamard_transform" and "complex64" in case.dtypes,
        _parts,
    ),
    Difference(
        "| `as_strided` beyond the elements",
        lambda case: case.function == "as_strided" and case.other[0] != "error",
        lambda case: case.raises("ValueError"),
    ),
    Difference(
        "| `as_strided` of a reversed array",
        lambda case: "must be used with row contiguous arrays only" in case.message,
        lambda case: case.agrees_with(mapped(case.source, "mx.contiguous({})")) or case.raises("ValueError"),
    ),
    Difference(
        "| `slice` and `slice_update` beyond the end",
        lambda case: case.function in ("slice", "slice_update"),
        lambda case: case.agrees_with_numpy() or (case.raises("ValueError") and "does not fit" in case.own[2]),
    ),
    Difference(
        "| an index array out of bounds",
        lambda case: case.function in ("take", "take_along_axis", "put_along_axis"),
        lambda case: case.raises("IndexError") and isinstance(by_numpy(case.source), IndexError),
    ),
    Difference(
        "| `take` of one negative number",
        lambda case: case.function == "take" and "[squeeze]" in case.message,
        lambda case: case.agrees_with_numpy(),
    ),
    Difference(
        "| `argmax` of a scalar",
        lambda case: "reduce zero size array" in case.message or "larger than max_size()" in case.message,
        lambda case: case.own[0] == "array" and case.own[1] == "uint32" and not np.any(case.own[3]),
    ),
    Difference(
        "| `median` over no axes",
        lambda case: "[flatten] start_axis must be less than or equal" in case.message,
        lambda case: same_but_dtype(case.own, case.ask([_ARRAY.search(case.source)[0]])[0]),
    ),
    Difference(
        "| padding empty arrays by their edge",
        lambda case: case.function == "pad" and case.other[0] != "error",
        lambda case: case.raises("ValueError"),
    ),
    Difference(
        "| gradients by integers",
        lambda case: case.function in ("grad", "vjp", "jvp", "value_and_grad") and bool(case.dtypes & {*INTEGERS}),
        _zero_gradients,
    ),
    Difference(
        "| factors, inverses and solutions of complex matrices",
        lambda case: "linalg" in case.source and "complex64" in case.dtypes and case.other[0] == "error",
        _factors,
    ),
    Difference(
        "| `solve` and `solve_triangular` of integers",
        lambda case: "linalg.solve" in case.function and "type" in case.message,
        lambda case: _as_float32(case) or case.raises("RuntimeError"),
    ),
    Difference(
        "| norms by singular values of integers",
        lambda case: "[linalg::svd] Arrays must have type" in case.message,
        _as_float32,
    ),
    Difference(
        "| transposed convolutions with more padding",
        lambda case: "conv_transpose" in case.function and "Spatial dimensions of input after padding" in case.message,
        lambda case: case.own[0] == "array",
    ),
    Difference(
        "| convolutions of `float64`",
        lambda case: "conv" in case.function and bool(case.dtypes & {"complex64"}) and case.other[0] == "error",
        _bilinear,
    ),
    Difference(
        "| convolutions of `float64`",
        lambda case: "conv" in case.function and bool(re.search("unsupported data type|Invalid input array with type", case.message)),
        _as_float32,
    ),
    Difference(
        "| arrays of too few axes",
        lambda case: "SmallVector out of range" in case.message,
        lambda case: case.raises("ValueError"),
    ),
    Difference(
        "| dtypes that an operation refuses",
        lambda case: case.other[0] == "error" and "RuntimeError" in case.other[1] and bool(_REFUSAL.search(case.message)),
        lambda case: case.raises("ValueError") and "dtype" in case.own[2],
    ),
    Difference(
        "| `qqmm` and `gather_qqmm` on the CPU",
        lambda case: "NYI" in case.message,
        _product_of_quantized,
    ),
    Difference(
        "| `to_fp8` and `from_fp8` of `float64`",
        lambda case: case.function in ("to_fp8", "from_fp8") and "float64" in case.dtypes,
        lambda case: same_but_dtype(case.own, case.ask([mapped(case.source, "{}").replace("float64", "float32")])[0]),
    ),
    Difference(
        "| norms of complex vectors",
        lambda case: "norm" in case.function and "complex64" in case.dtypes,
        lambda case: case.own[1] == "float32" and case.agrees_with(f"mx.real({case.source})"),
    ),
    Difference(
        "| `hadamard_transform` of complex numbers",
        lambda case: "[hadamard] Unsupported type" in case.message,
        _as_float32,
    ),
    Difference(
        "| `vecdot` of arrays of unequal numbers of axes",
        lambda case: "[vecdot] axis is out of bounds" in case.message,
        lambda case: case.agrees_with_numpy(),
    ),
    Difference(
        "| cross products of `bool`",
        lambda case: case.function == "linalg.cross" and "Not supported for bool" in case.message,
        lambda case: case.own[0] == "array" and case.own[1] == "bool",
    ),
    Difference(
        "| NaN as an integer",
        lambda case: "nan" in case.source and case.other[0] == "array" and case.other[1] in INTEGERS,
        lambda case: case.agrees_with(case.source.replace("nan", "0")),
    ),
    Difference(
        "| `a.at[index].subtract(value)` of `bool`",
        lambda case: "bool_" in case.dtypes and ".subtract(" in case.source,
        lambda case: case.raises("ValueError") and "at.subtract" in case.own[2],
    ),
    Difference(
        "| negative sizes in `broadcast_shapes`",
        lambda case: case.function == "broadcast_shapes",
        lambda case: case.raises("ValueError") and "negative sizes" in case.own[2],
    ),
    Difference(
        "| `cholesky` of a matrix that is not positive definite",
        lambda case: "linalg.cholesky" in case.source and case.other[0] == "array",
        lambda case: case.raises("RuntimeError") and "not positive definite" in case.own[2],
    ),
    Difference(
        "| `UPLO` other than",
        lambda case: "'X'" in case.source,
        lambda case: case.raises("ValueError") and "UPLO" in case.own[2],
    ),
    Difference(
        "| several wrong arguments",
        lambda case: case.is_reading and case.fails and case.other[0] == "error",
        lambda case: case.raises("ValueError", "IndexError") and bool({"ValueError", "IndexError"} & {*case.other[1]}),
    ),
    Difference(
        "| sizes beyond 32 bits",
        lambda case: "outside the supported range" in case.message,
        lambda case: case.raises("ValueError", "MemoryError"),
    ),
    Difference(
        "| norms of integers",
        lambda case: "norm" in case.function and case.other[0] == "array",
        _as_float32,
    ),
    Difference(
        "| `float64` through pickle and DLPack",
        lambda case: bool(re.match(r"pickle|mx.from_dlpack", case.source)) and "float64" in case.dtypes,
        lambda case: case.agrees_with(_ARRAY.search(case.source)[0]),
    ),
    Difference(
        "| negative numbers in a list as `uint32`",
        lambda case: "std::bad_cast" in case.message and bool(re.search(r", mx.uint(32|64)\)$", case.source)),
        lambda case: case.agrees_with(re.sub(r", mx.uint(\d+)\)$", r").astype(mx.uint\1)", case.source)),
    ),
    Difference(
        "| `clip` without any bound",
        lambda case: case.function == "clip" and _refused_by_type(case),
        lambda case: case.fails or _clips(case, re.sub(r", stream=.*", ")", case.source)),
    ),
    Difference(
        "| `repeat` with a number for each slice",
        lambda case: case.function in ("repeat", "moveaxis") and _refused_by_type(case),
        lambda case: (
            case.raises("ValueError", "IndexError")
            or case.agrees_with(re.sub(r"[\[(](\d+),?[\])]", r"\1", case.source))
            or case.agrees_with_numpy()
        ),
    ),
    Difference(
        "| `expm1` of complex numbers",
        lambda case: case.function == "expm1" and "complex64" in case.dtypes,
        lambda case: case.agrees_with(case.source.replace("mx.expm1(", "mx.exp(") + " - 1", loose=True),
    ),
    Difference(
        "| numbers in `result_type`",
        lambda case: case.function == "result_type" and "Inputs must be arrays or dtypes" in case.message,
        lambda case: case.own[0] == "dtype",
    ),
    Difference(
        "| bitwise operators with an array on the right",
        lambda case: bool(_REFLECTED.search(case.message)),
        lambda case: case.raises("ValueError") or _by_function(case),
    ),
    Difference(
        "| comparison with lists",
        lambda case: bool(re.search(r"[=!]= ([\[(]|np\.array\(\['a)", case.source)),
        lambda case: case.agrees_with_a_reading() or _compared_to_text(case),
    ),
    Difference(
        "| `a == None`",
        lambda case: case.source.endswith(("== None", "!= None")),
        lambda case: case.own == ("value", case.source.endswith("!= None")),
    ),
    Difference(
        "| `unique` without a size",
        lambda case: case.function == "unique" and "incompatible" in case.message,
        lambda case: case.agrees_with_numpy(),
    ),
    Difference(
        "| NumPy arrays, lists and arrays of one integer as indices",
        lambda case: "can be converted to an index" in case.message,
        lambda case: case.raises("IndexError", "TypeError") or case.agrees_with(_ARRAY.sub(r"\g<0>.item()", case.source)),
    ),
    Difference(
        "| an integer subscript out of bounds",
        lambda case: bool(re.search(r"\)(\.at)?\[", case.source)),
        lambda case: case.raises("IndexError") and isinstance(by_numpy(case.source), IndexError),
    ),
    Difference(
        "| `a[...] = value` and updates",
        lambda case: bool(re.search(r"assigned\(.*, (\.\.\.|None), |\.at\[\.\.\.\]", case.source)),
        # a NaN becomes 0 in integers
        lambda case: (
            same_but_dtype(case.own, case.other)
            or same_but_dtype(case.own, case.ask([case.source.replace("nan", "0")])[0])
            or case.agrees_with_numpy()
        ),
    ),
    Difference(
        "| NumPy arrays of `bfloat16`",
        lambda case: "bfloat16" in case.message,
        lambda case: not case.fails and same_but_dtype(case.own, case.ask([mapped(case.source, "{}.astype(mx.float32)")])[0]),
    ),
    Difference(
        "| arrays of other libraries with negative strides",
        lambda case: "negative strides" in case.message,
        lambda case: case.agrees_with(mapped(case.source, "mx.contiguous({})")),
    ),
    Difference(
        "| an axis given twice, or out of bounds",
        lambda case: case.fails and ("(0," in case.source or "norm" in case.function),
        lambda case: "more than once" in case.own[2] or "out of bounds" in case.own[2],
    ),
    Difference(
        "| `all` and `prod` of no elements",
        lambda case: case.function in ("all", "prod") and "(0," in case.source,
        lambda case: _all(case.own, 1),
    ),
    Difference(
        "| powers of complex numbers",
        lambda case: case.function in ("power", "pow") and "complex64" in case.dtypes and case.own[0] == "array",
        _power_in_double,
    ),
    Difference(
        "| `round` of integers",
        lambda case: case.function == "round" and bool(case.dtypes & {*INTEGERS}),
        lambda case: case.agrees_with(_ARRAY.search(case.source)[0]),
    ),
    Difference(
        "| `a.at[index].divide(value)` of integers",
        lambda case: ".divide(" in case.source and bool(case.dtypes & {*INTEGERS}),
        lambda case: case.agrees_with_numpy() or _divided_truths(case),
    ),
    Difference(
        "| arrays of several axes where integers are wanted",
        lambda case: case.fails and bool(re.search("got an array of shape|<class 'mlx_oxide.core.array'>", case.own[2])),
        lambda case: case.raises("ArgumentError") and any("()" not in text for text in re.findall(r"arr\('\w+', (\(.*?\))", case.source)),
    ),
    Difference(
        "| `full` of an array",
        lambda case: case.function == "full" and case.own[0] == "array" and case.other[0] == "array",
        lambda case: f"mx.{case.own[1]}" in case.source.replace("bool_", "bool") and same_but_dtype(case.own, case.other),
    ),
    Difference(
        "| `hadamard_transform` of integers",
        lambda case: case.function == "hadamard_transform" and "(1,)" in case.source,
        lambda case: case.own[1] == "float32" and same_but_dtype(case.own, case.other),
    ),
    Difference(
        "| `det` of 16-bit floats",
        lambda case: case.function == "linalg.det" and bool(case.dtypes & {"float16", "bfloat16"}),
        lambda case: case.agrees_with_numpy(),
    ),
    Difference(
        "| several values for one place in `put_along_axis`",
        lambda case: case.function == "put_along_axis" and case.fails and case.other[0] != "error",
        lambda case: "broadcast" in case.own[2] and isinstance(by_numpy(case.source), ValueError),
    ),
    Difference(
        "| `segmented_mm` of 16-bit floats",
        lambda case: case.function == "segmented_mm" and case.other[0] == "array",
        lambda case: _as_float32(case) or (case.raises("ValueError") and "inner sizes differ" in case.own[2]),
    ),
    Difference(
        "| `block_masked_mm`, `gather_mm` and `segmented_mm`",
        lambda case: "Currently only supports float32" in case.message,
        _as_float32,
    ),
    Difference(
        "| random numbers of `float64`",
        lambda case: case.function.startswith("random.") and "Unsupported type" in case.message,
        # the same bits as of `float32`, with more digits after them
        lambda case: (
            case.raises("ValueError")
            or (case.own[1] == "float64" and same_but_dtype(case.own, case.ask([case.source.replace("float64", "float32")])[0]))
        ),
    ),
    Difference(
        "| `copy=False` of an array",
        lambda case: "Unable to avoid copy" in case.message or "without a copy" in case.message,
        lambda case: case.agrees_with(case.source.replace("False", "None")),
    ),
    Difference(
        "| `device_info` of the CPU",
        lambda case: case.function == "device_info",
        lambda case: case.own[0] == "dict" and "architecture" in case.own[1],
    ),
)


def unexplained(case: Case) -> str:
    """What differs from MLX's outcome and is not meant to; empty if nothing does."""
    found = mismatch(case.own, case.other)
    if not found or case.own[0] in ("panic", "died", "hung"):
        return found
    for difference in DIFFERENCES:
        if difference.applies(case) and difference.right(case):
            return ""
    return found
