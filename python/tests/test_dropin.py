"""The import name mlx, in processes of their own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import mlx_oxide

DROPIN = Path(__file__).resolve().parents[1] / "mlx-dropin" / "src"
OWN = Path(mlx_oxide.__file__).resolve().parents[1]


def run(program: str, *flags: str) -> subprocess.CompletedProcess:
    path = f"import sys; sys.path[:0] = {[str(DROPIN), str(OWN)]!r}\n"
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.run(
        [sys.executable, *flags, "-c", path + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )


def test_submodules_are_those_of_mlx_oxide():
    program = """
        import mlx.core as mx
        import mlx.nn as nn
        import mlx.optimizers as optim
        import mlx.nn.losses
        from mlx.nn.layers.linear import Linear
        from mlx.utils import tree_flatten
        import mlx_oxide.core, mlx_oxide.nn
        assert mx is mlx_oxide.core and nn is mlx_oxide.nn and nn.Linear is Linear
        model = nn.Linear(3, 1)
        loss = lambda model, x: model(x).square().sum()
        value, gradients = nn.value_and_grad(model, loss)(model, mx.ones((2, 3)))
        optim.SGD(0.1).update(model, gradients)
        assert len(tree_flatten(model.parameters())) == 2
        print("done")
    """
    # -S keeps Apple's package out of sight
    finished = run(program, "-S")
    assert finished.stdout.strip() == "done", finished.stderr


def test_a_submodule_that_does_not_exist_is_a_missing_module():
    finished = run("import mlx.nothing", "-S")
    assert "ModuleNotFoundError" in finished.stderr


def test_submodules_are_attributes_without_an_import_of_their_own():
    program = """
        import mlx
        import mlx.nn
        assert mlx.utils.tree_flatten([1, 2]) == [("0", 1), ("1", 2)]
        assert mlx.core.array(1).item() == 1
        for name in ("nothing", "__version__", "_core"):
            assert not hasattr(mlx, name)
        print("done")
    """
    finished = run(program, "-S")
    assert finished.stdout.strip() == "done", finished.stderr


def test_apples_package_beside_it_is_refused():
    finished = run("import mlx.core")
    assert "uninstall one of them" in finished.stderr
