"""mlx-oxide: MLX's array framework, in Rust."""

from mlx_oxide.core import __version__

__all__ = ["__version__"]
