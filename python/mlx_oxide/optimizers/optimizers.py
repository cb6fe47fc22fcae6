"""All optimizers."""

from mlx_oxide.optimizers.adafactor import Adafactor
from mlx_oxide.optimizers.adaptive import AdaDelta, Adagrad, Adam, Adamax, AdamW, RMSprop
from mlx_oxide.optimizers.base import MultiOptimizer, Optimizer
from mlx_oxide.optimizers.clipping import clip_grad_norm
from mlx_oxide.optimizers.gradient_descent import SGD, Lion, Muon

__all__ = [
    "AdaDelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "MultiOptimizer",
    "Muon",
    "Optimizer",
    "RMSprop",
    "SGD",
    "clip_grad_norm",
]
