"""The mathematics of layers and losses, as pure functions of arrays.

Layers, losses and activations are thin holders over these functions: this package is the one
place where they may be bound to other implementations.
"""
