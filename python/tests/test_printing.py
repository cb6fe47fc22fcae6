"""The text of arrays, dtypes, devices and streams, against Apple's MLX."""

import numpy as np
import pytest
from differential import ALL, numbers, same, same_text

VALUES = [
    0.1,
    1 / 3,
    1e-5,
    1e-4,
    123456.0,
    1234567.0,
    1e10,
    1e16,
    3e38,
    1e-30,
    -0.0,
    float("inf"),
    float("-inf"),
    float("nan"),
    100.0,
    0.5,
    1e6,
    999999.5,
    2.0000001,
]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_numbers_print_alike(dtype):
    for value in VALUES:
        same_text("str(a), repr(a)", (np.array(value), dtype))
    same_text("str(a)", (np.array(VALUES[:8]), dtype))


@pytest.mark.parametrize("dtype", ALL)
def test_arrays_print_alike(dtype):
    for shape in ((), (0,), (1,), (3,), (7,), (2, 3), (0, 3), (3, 0), (2, 2, 2), (7, 7), (1, 1, 9, 9), (1000,), (1001,), (40, 40)):
        same_text("str(a), repr(a), f'{a}', a.__format__('')", (numbers(dtype, shape=shape), dtype))


@pytest.mark.parametrize("value", [0, 1j, 1 + 2j, -1.5 - 0.25j, complex("nan"), complex("inf"), -0.0 + 0j, 1e10 + 1e-10j])
def test_complex_numbers_print_alike(value):
    same_text("str(a)", (np.array(value), "complex64"))
    same_text("str(a)", (np.array([value, 1]), "complex64"))


@pytest.mark.parametrize("source", ["f'{a:.2f}'", "f'{a:5}'", "format(a, '.1e')", "f'{a + 1:>9.3f}'", "'%s' % a", "'%.3f' % a.item()"])
def test_format_specifications_agree(source):
    same_text(source, (np.array(1.23456), "float32"))


@pytest.mark.parametrize(
    "source",
    [
        "str(mx.float32), repr(mx.bool_), str(mx.bfloat16)",
        "str(mx.cpu), str(mx.Device(mx.cpu)), repr(mx.Device(mx.cpu, 0))",
        "str(mx.default_device())",
        "str(mx.DeviceType.cpu)",
        "repr(mx.finfo(mx.float16)), repr(mx.iinfo(mx.int8))",
        "str(mx.floating)",
        "str(mx.float32.size)",
        "hash(mx.float32) == hash(mx.float32), mx.float32 == mx.float32, mx.float32 == mx.int32",
        "mx.float32 == 'float32', mx.float32 == None",
    ],
)
def test_descriptions_agree(source):
    def call(mx):
        result = eval(source, {"mx": mx})  # noqa: S307
        parts = result if isinstance(result, tuple) else (result,)
        return [part.replace("mlx_oxide.", "mlx.") if isinstance(part, str) else part for part in parts]

    same(call)
