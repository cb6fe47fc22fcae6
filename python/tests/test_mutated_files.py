"""Changed files of every format, read from a path and from memory: an error or a value, in bounded memory and time."""

import subprocess
import sys
from pathlib import Path

import pytest
from sweeping import ROUNDS, SEED

TESTS = Path(__file__).resolve().parent
COUNT = 400 * ROUNDS


@pytest.mark.parametrize("form", ["npy", "npz", "compressed", "safetensors", "gguf", "blocks", "mlxfn"])
def test_a_changed_file_is_an_error_or_a_value(form):
    command = [sys.executable, str(TESTS / "mutating.py"), form, str(SEED), str(COUNT)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, f"{form} {SEED} {lines[-1:]}: {result.returncode} {result.stderr[-2000:]}"
    # changes that nobody notices leave values, and the others are noticed
    values = int(lines[-1].split()[0])
    assert 0 < values < COUNT
