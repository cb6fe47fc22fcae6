"""The demo's network takes its first training step as in Apple's MLX, from the same weights."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest
from oracle import numpy_of

pytest.importorskip("sklearn")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits.py"


def example(package: str) -> Any:
    """The example program, run on the given package."""
    module = types.ModuleType(f"digits_on_{package}")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    source = EXAMPLE.read_text().replace("mlx_oxide.", f"{package}.")
    exec(compile(source, str(EXAMPLE), "exec"), module.__dict__)
    return module


def first_step(program: Any, seed: int) -> Tuple[float, Dict[str, np.ndarray], Dict[str, np.ndarray]]:
    """Loss, gradients, and weights after the step."""
    package = program.mx.__name__.split(".")[0]
    tree_flatten = importlib.import_module(f"{package}.utils").tree_flatten
    program.mx.random.seed(seed)
    model = program.DigitReader()
    train_set, _ = program.load_data(0)
    images, labels = next(train_set.batches(64, np.random.default_rng(seed)))
    loss, gradients = program.nn.value_and_grad(model, program.loss_of)(model, images, labels)
    program.optim.SGD(0.1).update(model, gradients)

    def numbers(tree: Any) -> Dict[str, np.ndarray]:
        return {name: numpy_of(leaf) for name, leaf in tree_flatten(tree)}

    return loss.item(), numbers(gradients), numbers(model.parameters())


# Pooling and ReLU choose among numbers. With these seeds rounding tips no choice; where it tips
# one, as with 2 and 3, the gradients of the first layers differ by a part in a hundred.
@pytest.mark.parametrize("seed", [0, 1, 4, 5])
def test_the_first_training_step_is_the_same(seed):
    own_loss, *own = first_step(example("mlx_oxide"), seed)
    loss, *theirs = first_step(example("mlx"), seed)
    assert own_loss == pytest.approx(loss, rel=5e-7)
    for own_tree, tree in zip(own, theirs):
        assert own_tree.keys() == tree.keys()
        for name, expected in tree.items():
            # a bias before a batch norm has a gradient of zero, of which rounding is left
            scale = max(np.abs(expected).max(), 0.1)
            np.testing.assert_allclose(
                own_tree[name], expected, rtol=0, atol=1e-5 * scale, err_msg=name
            )
