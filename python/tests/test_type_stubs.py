"""The committed type stubs are those of the module, and a strict type checker passes with them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import type_stubs
from call_table import ROWS, sweep
from cases import scope

import mlx_oxide.core as mx

ROOT = Path(__file__).resolve().parents[2]


def test_the_type_stubs_are_fresh():
    for path, text in type_stubs.stubs().items():
        assert path.read_text(encoding="utf-8") == text, "run python python/tests/type_stubs.py"


@pytest.mark.parametrize("checked", [["examples"], ["-p", "mlx_oxide"]], ids=["examples", "package"])
def test_a_strict_type_checker_passes(checked, tmp_path):
    pytest.importorskip("mypy", reason="needs mypy, of requirements-test.txt")
    command = [sys.executable, "-m", "mypy", "--config-file", "python/pyproject.toml", "--cache-dir", str(tmp_path), *checked]
    result = subprocess.run(command, cwd=ROOT, env={"MYPYPATH": "python", "PATH": ""}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


# The classes of results that an annotation stands for; the others say little enough to be true.
CLASSES = {
    "array": mx.array,
    "List[array]": list,
    "None": type(None),
    "int": int,
    "builtins.bool": bool,
    "Device": mx.Device,
    "Stream": mx.Stream,
    "StreamContext": mx.StreamContext,
    "ThreadLocalStream": mx.ThreadLocalStream,
    "PrintOptions": mx.PrintOptions,
    "Dtype": mx.Dtype,
    "QRResult": mx.QRResult,
    "EigResult": mx.EigResult,
    "EighResult": mx.EighResult,
    "SlogdetResult": mx.SlogdetResult,
}


def annotations(module: str) -> dict[str, str]:
    """What the functions of a stub return, by their full names."""
    text = (type_stubs.FOLDER / f"{module or '__init__'}.pyi").read_text(encoding="utf-8")
    prefix = f"{module}." if module else ""
    return {prefix + name: result for name, result in re.findall(r"^def (\w+)\(.*\) -> (.*): \.\.\.", text, re.MULTILINE)}


def results(name: str, names: dict):
    """What calls of the sweeps return that are calls of the function and nothing else."""
    for source in sweep(name, 1):
        if source.count("mx." + name + "(") != 1 or not source.startswith(f"mx.{name}(") or re.search(r"\)[.\[]\S*$| == ", source):
            continue
        try:
            yield eval(source, dict(names))  # noqa: S307
        except Exception:  # noqa: BLE001, S112
            continue


@pytest.mark.parametrize("module", ["", "random", "linalg", "fft", "fast"])
def test_functions_return_what_the_stubs_say(module):
    names, wrong = scope(mx), []
    for name, result in annotations(module).items():
        kind = CLASSES.get(result, tuple if result.startswith("Tuple") else object)
        if name in ROWS:
            found = {type(value).__name__ for value in results(name, names) if not isinstance(value, kind)}
            wrong += [f"{name} returns {found}, not {result}"] * bool(found)
    assert not wrong
