"""Neural networks: layers, activation functions, losses and initializers."""

from mlx_oxide.nn import init, layers, losses, utils
from mlx_oxide.nn.layers import *  # noqa: F403
from mlx_oxide.nn.layers import (
    __all__ as _layer_names,
)
from mlx_oxide.nn.layers import (
    activations,
    base,
    containers,
    convolution,
    convolution_transpose,
    distributed,
    dropout,
    embedding,
    linear,
    normalization,
    pooling,
    positional_encoding,
    quantized,
    recurrent,
    transformer,
    upsample,
)
from mlx_oxide.nn.utils import average_gradients, value_and_grad

__all__ = [
    *_layer_names,
    "activations",
    "average_gradients",
    "base",
    "containers",
    "convolution",
    "convolution_transpose",
    "distributed",
    "dropout",
    "embedding",
    "init",
    "layers",
    "linear",
    "losses",
    "normalization",
    "pooling",
    "positional_encoding",
    "quantized",
    "recurrent",
    "transformer",
    "upsample",
    "utils",
    "value_and_grad",
]
