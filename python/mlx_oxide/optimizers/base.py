"""The class that all optimizers extend, and the one that combines several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import mlx_oxide.core as mx
from mlx_oxide.nn import Module
from mlx_oxide.utils import tree_flatten, tree_map, tree_merge, tree_unflatten

Rate = Union[float, Callable[[mx.array], mx.array]]
State = Dict[str, Any]


class Optimizer:
    """A rule that makes new parameters of parameters and gradients, and its state.

    The state is a dictionary: ``"step"``, how many updates there were; scheduled values such as
    ``"learning_rate"``; and a dictionary for each parameter, in the tree of the parameters.

    To write an optimizer, define :meth:`init_single` and :meth:`apply_single`.

    Args:
        schedulers: functions from the step to a value, by the name of the value in the state.

    Example:
        >>> class Descent(Optimizer):
        ...     def init_single(self, parameter, state):
        ...         pass
        ...     def apply_single(self, gradient, parameter, state):
        ...         return parameter - 0.1 * gradient
    """

    def __init__(self, schedulers: Optional[Dict[str, Callable[..., Any]]] = None) -> None:
        self._initialized = False
        self._state: State = {"step": mx.array(0, mx.uint64)}
        self._schedulers = dict(schedulers or {})

    def update(self, model: Module, gradients: Any) -> None:
        """Give a model new parameters.

        Args:
            model: what to update.
            gradients: a tree as :func:`mlx.nn.value_and_grad` returns it.

        Example:
            >>> optimizer.update(model, gradients)
            >>> mx.eval(model.parameters(), optimizer.state)
        """
        model.update(self.apply_gradients(gradients, model))

    def init(self, parameters: Any) -> None:
        """Give every parameter a state, keeping those that there are.

        The first update does so by itself.

        Example:
            >>> optimizer = optim.SGD(learning_rate=0.1, momentum=0.9)
            >>> optimizer.init(nn.Linear(2, 2).trainable_parameters())
            >>> list(optimizer.state)
            ['step', 'learning_rate', 'weight', 'bias']
        """
        self._state.update(_with_places(parameters, self._state))

        def init_one(parameter: mx.array, state: State) -> None:
            if not state:
                self.init_single(parameter, state)

        tree_map(init_one, parameters, self._state)
        self._initialized = True

    def init_single(self, parameter: mx.array, state: State) -> None:
        """Fill in the state of one parameter. To be defined by each optimizer."""
        raise NotImplementedError(f"{type(self).__name__} does not define init_single.")

    def apply_gradients(self, gradients: Any, parameters: Any) -> Any:
        """Return new parameters for those that have a gradient, in a tree like the gradients'.

        Args:
            gradients: a tree of arrays.
            parameters: a tree with at least the places of the gradients, or a module.

        Raises:
            KeyError, IndexError: a gradient has no parameter, or had none when the state was
                initialized.
        """
        if not self._initialized:
            self.init(gradients)
        state = self._state
        step = state["step"]
        for name, scheduler in self._schedulers.items():
            state[name] = scheduler(step)
        state["step"] = step + 1
        return tree_map(self.apply_single, gradients, parameters, state)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: State) -> mx.array:
        """Return one new parameter and change its state. To be defined by each optimizer."""
        raise NotImplementedError(f"{type(self).__name__} does not define apply_single.")

    @property
    def state(self) -> State:
        """The state. A state that is set must have this optimizer's form."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._initialized = False
        self._state = state

    @property
    def step(self) -> mx.array:
        """How many updates there were."""
        step: mx.array = self._state["step"]
        return step

    @property
    def learning_rate(self) -> mx.array:
        """The learning rate. A schedule, if there is one, overrules what is set."""
        rate: mx.array = self._state["learning_rate"]
        return rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Union[float, mx.array]) -> None:
        self._state["learning_rate"] = mx.array(learning_rate)

    def _maybe_schedule(self, name: str, param: Rate) -> None:
        """Put a value in the state, and follow it if it is a schedule."""
        if callable(param):
            self._schedulers[name] = param
            value = param(self.step)
        else:
            value = mx.array(param)
        self._state[name] = value


def _with_places(parameters: Any, state: Any) -> Any:
    """Return a tree like ``parameters`` with the state of each, or an empty one."""
    if isinstance(parameters, dict):
        known = state if isinstance(state, dict) else {}
        return {key: _with_places(child, known.get(key)) for key, child in parameters.items()}
    if isinstance(parameters, (list, tuple)):
        listed: Sequence[Any] = state if isinstance(state, (list, tuple)) else ()
        places = [
            _with_places(child, listed[index] if index < len(listed) else None)
            for index, child in enumerate(parameters)
        ]
        # What a resumed state holds beyond these parameters belongs to others.
        return [*places, *listed[len(places) :]]
    return {} if state is None else state


class MultiOptimizer(Optimizer):
    """Several optimizers, each for a part of the parameters.

    Args:
        optimizers: the optimizers; the last one takes what no filter picks.
        filters: one for each optimizer but the last, called with the path and the gradient:
            whether the optimizer takes it. The first that does, gets it.

    Raises:
        ValueError: the numbers of optimizers and filters do not fit.

    Example:
        >>> optimizer = optim.MultiOptimizer(
        ...     [optim.Muon(0.02), optim.AdamW(1e-3)], [lambda path, g: g.ndim == 2]
        ... )
    """

    def __init__(
        self,
        optimizers: List[Optimizer],
        filters: Sequence[Callable[[str, mx.array], bool]] = (),
    ) -> None:
        super().__init__()
        if len(filters) != len(optimizers) - 1:
            raise ValueError(f"Given {len(filters)} filters but {len(optimizers) - 1} needed.")
        self.optimizers = list(optimizers)
        self.filters: List[Callable[[str, mx.array], bool]] = [*filters, lambda *_: True]
        self._state = {}

    def _split_dictionary(self, gradients: Any) -> List[Any]:
        if len(self.optimizers) == 1:
            return [gradients]
        parts: List[List[Tuple[str, Any]]] = [[] for _ in self.optimizers]
        for path, gradient in tree_flatten(gradients):
            for part, accepts in zip(parts, self.filters):
                if accepts(path, gradient):
                    part.append((path, gradient))
                    break
        return [tree_unflatten(part) if part else {} for part in parts]

    def init(self, parameters: Any) -> None:
        """Give every parameter a state with its optimizer."""
        for optimizer, part in zip(self.optimizers, self._split_dictionary(parameters)):
            optimizer.init(part)
        self._initialized = True

    def apply_gradients(self, gradients: Any, parameters: Any) -> Any:
        """Return new parameters, each by its optimizer. See :meth:`Optimizer.apply_gradients`."""
        updated: Any = {}
        for optimizer, part in zip(self.optimizers, self._split_dictionary(gradients)):
            updated = tree_merge(updated, optimizer.apply_gradients(part, parameters))
        return updated

    @property
    def state(self) -> State:
        """A dictionary with the states of all optimizers as a list, ``"states"``."""
        return {"states": [optimizer.state for optimizer in self.optimizers]}

    @state.setter
    def state(self, state: State) -> None:
        states = state.get("states") if isinstance(state, dict) else None
        if states is None or len(states) != len(self.optimizers):
            raise ValueError("Invalid state provided")
        for optimizer, own in zip(self.optimizers, states):
            optimizer.state = own

    @property
    def step(self) -> mx.array:
        """How many updates there were."""
        return self.optimizers[0].step

    @property
    def learning_rate(self) -> mx.array:
        """The learning rate of the first optimizer. Setting it sets those of all."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Union[float, mx.array]) -> None:
        for optimizer in self.optimizers:
            optimizer.learning_rate = learning_rate
