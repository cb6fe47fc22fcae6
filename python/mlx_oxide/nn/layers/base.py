"""The class that all layers and models extend."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, List, Mapping, Optional, Tuple, TypeVar, Union

import mlx_oxide.core as mx
from mlx_oxide.nn.layers.storage import Storage
from mlx_oxide.nn.layers.traversal import replace_arrays, replace_modules, select
from mlx_oxide.utils import tree_flatten, tree_unflatten

Self = TypeVar("Self", bound="Module")
Filter = Callable[["Module", str, Any], bool]
Keys = Optional[Union[str, Iterable[str]]]


def _is_floating(dtype: mx.Dtype) -> bool:
    return mx.issubdtype(dtype, mx.floating)


class Module(Storage):
    """A layer or a model: a tree of arrays (its *parameters*) and of further modules.

    Extend it, call ``super().__init__()``, assign arrays and modules to attributes and define
    ``__call__``. Attributes that hold arrays, modules, lists or dictionaries are items of the
    module, which is a ``dict``; those whose name begins with ``_`` are no parameters.

    Example:
        >>> class Perceptron(nn.Module):
        ...     def __init__(self, inputs: int, hidden: int, outputs: int):
        ...         super().__init__()
        ...         self.layers = [nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)]
        ...
        ...     def __call__(self, x):
        ...         return self.layers[1](nn.relu(self.layers[0](x)))
    """

    __call__: Callable[..., Any]

    def __init__(self) -> None:
        super().__init__()
        self._no_grad = set()
        self._training = True

    @property
    def training(self) -> bool:
        """Whether the module is in training mode. Set it with :meth:`train`."""
        return self._training

    @property
    def state(self) -> "Module":
        """The module itself, as the dictionary of everything it holds.

        Unlike :meth:`parameters` it is no copy: what ``mx.compile`` is to track.
        """
        return self

    def _extra_repr(self) -> str:
        """Give what the printed module says between its parentheses. To be overridden."""
        return ""

    def __repr__(self) -> str:
        children = tree_flatten(self.children(), is_leaf=self.is_module)
        lines = [textwrap.indent(f"({path}): {child!r}", "  ") for path, child in children]
        head = f"{type(self).__name__}({self._extra_repr()}"
        return "\n".join([head, *lines, ")"]) if lines else f"{head})"

    # Weights in files

    def load_weights(
        self: Self,
        file_or_weights: Union[str, "os.PathLike[str]", List[Tuple[str, mx.array]]],
        strict: bool = True,
    ) -> Self:
        """Replace parameters by those of a ``.npz`` or ``.safetensors`` file or of a list.

        Args:
            file_or_weights: a path, or pairs of parameter path and array.
            strict: whether the weights must be exactly those of the module, of equal shapes.
                Without it, unknown weights are passed over and missing ones keep their value.

        Raises:
            ValueError: ``strict``, and the weights are not those of the module.

        Example:
            >>> model.load_weights("model.safetensors")
            >>> model.load_weights([("weight", mx.zeros((3, 2)))], strict=False)
        """
        weights: Any = file_or_weights
        if isinstance(weights, (str, os.PathLike)):
            weights = mx.load(os.fspath(weights))
        weights = dict(weights)
        if strict:
            self._check_weights(weights)
        if weights:
            self.update(tree_unflatten(weights), strict=False)
        return self

    def _check_weights(self, weights: Mapping[str, Any]) -> None:
        expected = tree_flatten(self.parameters(), destination={})
        if extra := sorted(weights.keys() - expected.keys()):
            raise ValueError(
                f"Received {len(extra)} parameters not in model: \n" + ",\n".join(extra) + "."
            )
        if missing := sorted(expected.keys() - weights.keys()):
            raise ValueError(f"Missing {len(missing)} parameters: \n" + ",\n".join(missing) + ".")
        for path, parameter in expected.items():
            weight = weights[path]
            if not isinstance(weight, mx.array):
                raise ValueError(
                    f"Expected mx.array but received {type(weight)} for parameter {path}"
                )
            if weight.shape != parameter.shape:
                raise ValueError(
                    f"Expected shape {parameter.shape} but received "
                    f"shape {weight.shape} for parameter {path}"
                )

    def save_weights(self, file: Union[str, "os.PathLike[str]"]) -> None:
        """Write the parameters to a ``.npz`` or ``.safetensors`` file.

        Raises:
            ValueError: the name of the file ends otherwise.
        """
        name = os.fspath(file)
        parameters = tree_flatten(self.parameters(), destination={})
        if name.endswith(".npz"):
            mx.savez(name, **parameters)
        elif name.endswith(".safetensors"):
            mx.save_safetensors(name, parameters)
        else:
            raise ValueError(
                f"Unsupported file extension for {name}. Use '.npz' or '.safetensors'."
            )

    # Selection

    @staticmethod
    def is_module(value: Any) -> bool:
        """Tell whether a value is a module."""
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module: "Module", key: str, value: Any) -> bool:
        """Select what may hold modules: dictionaries and lists."""
        return isinstance(value, (dict, list))

    @staticmethod
    def valid_parameter_filter(module: "Module", key: str, value: Any) -> bool:
        """Select what may hold parameters and has no name that begins with ``_``."""
        return isinstance(value, (dict, list, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module: "Module", key: str, value: Any) -> bool:
        """Select parameters, leaving out the frozen ones."""
        return (
            isinstance(value, (dict, list, mx.array))
            and not key.startswith("_")
            and key not in module._no_grad
        )

    def filter_and_map(
        self,
        filter_fn: Filter,
        map_fn: Optional[Callable[[Any], Any]] = None,
        is_leaf_fn: Optional[Filter] = None,
    ) -> dict[str, Any]:
        """Return the tree of what passes a filter, mapped.

        Args:
            filter_fn: called with a module, the path inside it and the value. What lies below
                a value that fails is not visited; in a list or dictionary ``{}`` stays there.
            map_fn: applied to each leaf; the identity by default.
            is_leaf_fn: which values are leaves; by default all but modules, lists and
                dictionaries.

        Raises:
            RuntimeError: ``is_leaf_fn`` denies a value that cannot be traversed.
        """
        return select(self, filter_fn, map_fn, is_leaf_fn)

    def parameters(self) -> dict[str, Any]:
        """Return all parameters as a tree of dictionaries and lists."""
        return select(self, self.valid_parameter_filter, None, None)

    def trainable_parameters(self) -> dict[str, Any]:
        """Return the parameters that are not frozen as a tree of dictionaries and lists."""
        return select(self, self.trainable_parameter_filter, None, None)

    def children(self) -> dict[str, Any]:
        """Return the modules directly below this one as a tree."""
        return select(
            self, self.valid_child_filter, None, lambda _, __, value: isinstance(value, Module)
        )

    def leaf_modules(self) -> dict[str, Any]:
        """Return the tree of those modules that contain no further ones."""

        def is_leaf(module: Module, key: str, value: Any) -> bool:
            return isinstance(value, Module) and not tree_flatten(
                value.children(), is_leaf=self.is_module
            )

        return select(self, self.valid_child_filter, None, is_leaf)

    def modules(self) -> List["Module"]:
        """List this module and all below it."""
        return [module for _, module in self.named_modules()]

    def named_modules(self) -> List[Tuple[str, "Module"]]:
        """List this module, with the path ``""``, and all below it with their paths."""
        found: List[Tuple[str, Module]] = []
        pending: List[Tuple[str, Module]] = [("", self)]
        while pending:
            path, module = pending.pop()
            found.append((path, module))
            prefix = f".{path}" if path else ""
            tree_flatten(
                module.children(), prefix=prefix, is_leaf=self.is_module, destination=pending
            )
        return found

    # Replacement

    def update(self: Self, parameters: Any, strict: bool = True) -> Self:  # type: ignore[override]  # as MLX's
        """Replace parameters by those of a tree, which may be partial.

        Args:
            parameters: dictionaries and lists, shaped as :meth:`parameters` returns them. An
                empty dictionary in a list leaves that place alone.
            strict: whether every place of the tree must exist here and hold arrays.

        Raises:
            ValueError: ``strict``, and a name or index is unknown or a value is no array.

        Example:
            >>> model.update(tree_map(lambda p: p.astype(mx.float16), model.parameters()))
        """
        replace_arrays(self, parameters, strict)
        return self

    def apply(
        self: Self,
        map_fn: Callable[[mx.array], mx.array],
        filter_fn: Optional[Filter] = None,
    ) -> Self:
        """Replace each parameter that passes the filter by ``map_fn`` of it.

        Example:
            >>> model.apply(lambda parameter: parameter.astype(mx.bfloat16))
        """
        self.update(select(self, filter_fn or self.valid_parameter_filter, map_fn, None))
        return self

    def update_modules(self: Self, modules: Any, strict: bool = True) -> Self:
        """Replace modules below this one by those of a tree, which may be partial.

        Args:
            modules: dictionaries and lists with modules as leaves, shaped as :meth:`children`
                or :meth:`leaf_modules` return them.
            strict: whether every place of the tree must exist here and hold a module.

        Raises:
            ValueError: ``strict``, and a name or index is unknown or a value is no module.
        """
        replace_modules(self, modules, strict)
        return self

    def apply_to_modules(self: Self, apply_fn: Callable[[str, "Module"], Any]) -> Self:
        """Call ``apply_fn(path, module)`` for this module and all below it."""
        for path, module in self.named_modules():
            apply_fn(path, module)
        return self

    # Freezing

    def freeze(
        self: Self, *, recurse: bool = True, keys: Keys = None, strict: bool = False
    ) -> Self:
        """Stop parameters from being trained: no gradient is taken for them.

        Args:
            recurse: whether to freeze those of the modules below too.
            keys: one name or several, to freeze only parameters so named; all by default.
            strict: whether each of ``keys`` must exist.

        Raises:
            KeyError: ``strict``, and no module has a parameter with one of the names.

        Example:
            >>> model.freeze()
            >>> model.freeze(keys="bias")
        """
        names = self._frozen_names(keys, recurse, strict)

        def freeze_one(_: str, module: Module) -> None:
            module._no_grad.update(module._local_paths() if names is None else names)

        self._visit(freeze_one, recurse)
        return self

    def unfreeze(
        self: Self, *, recurse: bool = True, keys: Keys = None, strict: bool = False
    ) -> Self:
        """Let frozen parameters be trained again. The arguments are those of :meth:`freeze`."""
        names = self._frozen_names(keys, recurse, strict)

        def unfreeze_one(_: str, module: Module) -> None:
            if names is None:
                module._no_grad.clear()
            else:
                module._no_grad.difference_update(names)

        self._visit(unfreeze_one, recurse)
        return self

    def _local_paths(self) -> List[str]:
        """List the paths of the parameters that are not those of a module below."""
        local = select(
            self,
            lambda module, key, value: (
                not isinstance(value, Module)
                and self.valid_parameter_filter(module, key, value)
            ),
            None,
            None,
        )
        return [path for path, _ in tree_flatten(local)]

    def _frozen_names(self, keys: Keys, recurse: bool, strict: bool) -> Optional[List[str]]:
        if keys is None:
            return None
        names = [keys] if isinstance(keys, str) else list(keys)
        if strict:
            modules = self.modules() if recurse else [self]
            for name in names:
                if not any(name in module for module in modules):
                    raise KeyError(f"Module doesn't contain member {name}.")
        return names

    def _visit(self, apply_fn: Callable[[str, "Module"], Any], recurse: bool) -> None:
        if recurse:
            self.apply_to_modules(apply_fn)
        else:
            apply_fn("", self)

    # Modes

    def _set_training_mode(self, mode: bool) -> None:
        self._training = mode

    def train(self: Self, mode: bool = True) -> Self:
        """Put this module and all below it in training mode, or out of it.

        Some layers behave differently: :class:`Dropout` drops only in training mode and
        :class:`BatchNorm` then uses the statistics of the batch.
        """
        self.apply_to_modules(lambda _, module: module._set_training_mode(mode))
        return self

    def eval(self: Self) -> Self:
        """Put this module and all below it in evaluation mode. See :meth:`train`."""
        return self.train(False)

    def set_dtype(
        self,
        dtype: mx.Dtype,
        predicate: Optional[Callable[[mx.Dtype], bool]] = _is_floating,
    ) -> None:
        """Cast the parameters whose dtype passes the predicate.

        Args:
            dtype: the new dtype.
            predicate: which dtypes to cast; the floating ones by default, all if ``None``.
        """
        self.apply(
            lambda parameter: (
                parameter.astype(dtype)
                if predicate is None or predicate(parameter.dtype)
                else parameter
            )
        )
