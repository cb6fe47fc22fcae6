"""Wrappers of functions take part in garbage collection."""

import gc
import weakref

import pytest

import mlx_oxide.core as mx


@pytest.fixture(autouse=True)
def compiling():
    mx.enable_compile()  # which the set-up of the tests disables for the sake of Apple's library


class Model:
    """Something that weak references can be made to."""


def is_freed(make):
    reference = weakref.ref(make())
    gc.collect()
    return reference() is None


WRAPPERS = {
    "compile": mx.compile,
    "shapeless": lambda f: mx.compile(f, shapeless=True),
    "grad": mx.grad,
    "value_and_grad": mx.value_and_grad,
    "vmap": mx.vmap,
    "checkpoint": mx.checkpoint,
    "custom_function": mx.custom_function,
    "nested": lambda f: mx.compile(mx.vmap(mx.checkpoint(f))),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("called", [False, True])
def test_a_cycle_through_a_closure_is_freed(wrap, called):
    def make():
        model = Model()
        model.scale = mx.array(2.0)
        model.call = wrap(lambda x: (x * model.scale).sum())
        if called:
            argument = mx.ones(3) if wrap is not mx.vmap else mx.ones((2, 3))
            mx.eval(model.call(argument.reshape(-1, 1) if wrap is WRAPPERS["nested"] else argument))
            if wrap is WRAPPERS["shapeless"]:
                mx.eval(model.call(mx.ones(4)))
        return model

    assert is_freed(make)


def test_cycles_through_captured_state_and_results_are_freed():
    def make():
        model = Model()
        state = {"weight": mx.array(1.0), "model": model}

        def step(x):
            state["weight"] = state["weight"] + x
            return state["weight"], model

        model.step = mx.compile(step, inputs=state, outputs=state)
        assert model.step(mx.array(2.0))[1] is model
        return model

    assert is_freed(make)


def test_cycles_through_rules_are_freed():
    def make():
        model = Model()

        @mx.custom_function
        def call(x):
            return x * 2

        @call.vjp
        def _(x, cotangent, output):
            return cotangent * model.scale

        model.scale = mx.array(3.0)
        model.call = call
        assert mx.grad(call)(mx.array(1.0)).item() == 3.0
        return model

    assert is_freed(make)


def test_cycles_through_attributes_are_freed():
    def make():
        compiled = mx.compile(lambda x: x)
        compiled.itself = compiled
        model = Model()
        compiled.model = model
        model.compiled = compiled
        return model

    assert is_freed(make)


def test_what_is_in_use_stays():
    kept = []

    def make():
        model = Model()
        model.scale = mx.array(2.0)
        model.call = mx.compile(lambda x: x * model.scale)
        kept.append(model.call)
        return model

    assert not is_freed(make)
    for _ in range(3):
        gc.collect()
        assert kept[0](mx.array(4.0)).item() == 8.0


def test_collection_during_a_trace():
    """The collector may run while a function is being traced and the cache is in use."""
    model = Model()

    def f(x):
        gc.collect()
        return x + 1, model

    model.call = mx.compile(f)
    for size in (1, 2, 3):
        assert model.call(mx.ones(size))[1] is model
        gc.collect()


def test_wrappers_have_the_names_of_their_functions():
    def named(x):
        """Say what it does."""
        return x

    for wrap in (mx.compile, mx.grad, mx.value_and_grad, mx.vmap, mx.checkpoint):
        wrapper = wrap(named)
        assert wrapper.__name__ == "named"
        assert wrapper.__doc__ == "Say what it does."
        assert wrapper.__module__ == __name__
        assert wrapper.__wrapped__ is named
        assert weakref.ref(wrapper)() is wrapper
