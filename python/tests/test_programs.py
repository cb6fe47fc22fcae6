"""Programs written for MLX give the same results here: under our name, and as `mlx` itself."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from program_runner import PROGRAMS, run

import mlx_oxide.core as mx

TESTS = Path(__file__).resolve().parent

# Rounding differs by the order of sums, and training and rounding to 8 bits multiply it: what is
# allowed is a part of the greatest element, some steps of the dtype.
CLOSE = {"float16": 1e-2, "bfloat16": 3e-2}

EACH = pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])


def assert_same(ours, theirs):
    assert sorted(ours) == sorted(theirs)
    for place, value in ours.items():
        expected = theirs[place]
        if isinstance(value, tuple):
            (dtype, array), (expected_dtype, expected_array) = value, expected
            assert (dtype, array.shape) == (expected_dtype, expected_array.shape), place
            tolerance = CLOSE.get(dtype, 1e-3 if array.dtype.kind in "fc" else 0)
            finite = np.abs(expected_array[np.isfinite(expected_array)])
            greatest = finite.max() if finite.size else 0
            np.testing.assert_allclose(
                array, expected_array, rtol=0, atol=tolerance * greatest, err_msg=place
            )
        elif isinstance(value, float):
            assert value == pytest.approx(expected, rel=1e-3, nan_ok=True), place
        else:
            assert value == expected, place


@pytest.fixture(scope="module")
def apples():
    """Apple's results, of one run for all tests."""
    return {}


def apple(path, results):
    if path not in results:
        results[path] = run(path, "mlx")
    return results[path]


@EACH
def test_program_gives_the_same_results(path, apples):
    expected = apple(path, apples)
    mx.enable_compile()  # which is off for Apple's library, whose compiled kernels need a compiler
    try:
        ours = run(path, "mlx_oxide")
    finally:
        mx.disable_compile()
    assert_same(ours, expected)


@pytest.fixture(scope="module")
def dropped_in(tmp_path_factory):
    """Results of all programs as they are, in an interpreter where the drop-in is `mlx`."""
    folder = tmp_path_factory.mktemp("dropin")
    # -S keeps Apple's package out of sight; NumPy is let back in alone
    packages = Path(np.__file__).parents[1]
    for package in packages.glob("numpy*"):
        (folder / package.name).symlink_to(package)
    compiling = {k: v for k, v in os.environ.items() if k != "MLX_DISABLE_COMPILE"}
    paths = [TESTS.parent, TESTS.parent / "mlx-dropin" / "src", folder]
    finished = subprocess.run(
        [sys.executable, "-S", str(TESTS / "program_runner.py"), str(folder / "results")],
        env={**compiling, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return pickle.loads((folder / "results").read_bytes())


@EACH
def test_program_runs_unmodified_with_the_drop_in(path, dropped_in, apples):
    result = dropped_in[path.stem]
    assert not isinstance(result, str), result
    assert_same(result, apple(path, apples))
