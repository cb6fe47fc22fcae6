"""Transforms at the edges of what they take, called as in Apple's library."""

import functools

import numpy as np
import pytest
from calls import Calls, pair, compared

import mlx_oxide.core as mx

CALLS = Calls()
case = CALLS.case


@pytest.fixture(autouse=True)
def compiling():
    mx.enable_compile()  # which the set-up of the tests disables for the sake of Apple's library


@case("vjp of several outputs")
def _(core):
    return core.vjp(lambda x: [x * 2, core.sin(x)], [pair(core)[0]], [pair(core)[1], pair(core)[0]])


@case("vjp tuple outputs count mismatch")
def _(core):
    return core.vjp(lambda x: [x * 2, core.sin(x)], [pair(core)[0]], [pair(core)[1]])


@case("jvp tangent shape mismatch")
def _(core):
    return core.jvp(lambda x: x, [pair(core)[0]], [core.array(1.0)])


@case("vjp dtype mismatch")
def _(core):
    return core.vjp(lambda x: x * 2, [pair(core)[0]], [pair(core)[1].astype(core.float16)])


@case("jvp dtype mismatch")
def _(core):
    return core.jvp(lambda x: x * 2, [pair(core)[0]], [pair(core)[1].astype(core.float16)])


@case("checkpoint kwargs")
def _(core):
    return core.grad(lambda x: core.checkpoint(lambda x, *, y: (x * y).sum())(x, y=x))(pair(core)[0])


@case("checkpoint tree")
def _(core):
    f = core.checkpoint(lambda d: {"r": (d["a"] * d["a"]).sum()})
    return core.grad(lambda x: f({"a": x})["r"])(pair(core)[0])


@case("checkpoint of checkpoint grad grad")
def _(core):
    f = core.checkpoint(core.checkpoint(lambda x: (x ** 3).sum()))
    return core.grad(lambda x: core.grad(f)(x).sum())(pair(core)[0])


@case("custom_function kwargs")
def _(core):
    @core.custom_function
    def f(x, y=2):
        return x * y
    return core.grad(lambda x: f(x, y=3).sum())(pair(core)[0])


@case("custom vjp single output tuple")
def _(core):
    @core.custom_function
    def f(x):
        return (x * 2,)
    @f.vjp
    def _(primals, cotangents, outputs):
        return (cotangents[0] * 5,)
    return core.grad(lambda x: f(x)[0].sum())(pair(core)[0])


@case("custom vjp wrong count")
def _(core):
    @core.custom_function
    def f(x, y):
        return x * y
    @f.vjp
    def _(primals, cotangent, output):
        return cotangent
    return core.grad(lambda x: f(x, x).sum())(pair(core)[0])


@case("custom jvp")
def _(core):
    @core.custom_function
    def f(x):
        return x * 2
    @f.jvp
    def _(primals, tangents):
        return tangents * 9
    return core.jvp(f, [pair(core)[0]], [pair(core)[1]])


@case("custom vmap")
def _(core):
    @core.custom_function
    def f(x):
        return x * 2
    @f.vmap
    def _(inputs, axes):
        return inputs * 100, axes
    return core.vmap(f)(pair(core)[0])


@case("stop gradient in value_and_grad")
def _(core):
    return core.value_and_grad(lambda x: (core.stop_gradient(x) * x).sum())(pair(core)[0])


@case("second order mixed jvp vjp")
def _(core):
    return core.jvp(core.grad(lambda x: (core.sin(x) * x).sum()), [pair(core)[0]], [pair(core)[1]])


@case("hessian by vmap")
def _(core):
    f = core.grad(lambda x: (core.sin(x) * x[::-1]).sum())
    return core.vmap(lambda v: core.jvp(f, [pair(core)[0]], [v])[1][0])(core.eye(2))


@case("shapeless sum and shape use")
def _(core):
    f = core.compile(lambda x: x.sum(axis=0) * 2, shapeless=True)
    return f(core.ones((2, 3))), f(core.ones((4, 3)))


@case("compile of partial and class")
def _(core):
    class F:
        def __call__(self, x):
            return x * 3
    return (
        core.compile(F())(pair(core)[0]),
        core.compile(functools.partial(lambda a, x: x * a, 2.0))(pair(core)[0]),
    )


@case("compile recursion")
def _(core):
    @core.compile
    def f(x, n):
        return x if n == 0 else f(x * 2, n - 1)
    return f(pair(core)[0], 3)


@case("compile outputs tuple of lists")
def _(core):
    a, b = [core.array(0.0)], [core.array(1.0)]
    def f(x):
        a[0] = x.sum()
        b[0] = b[0] + 1
    g = core.compile(f, inputs=b, outputs=(a, b))
    g(pair(core)[0])
    g(pair(core)[0])
    return a, b


@case("grow state in compile")
def _(core):
    s = {}
    def f(x):
        s["new"] = x * 2
        return x
    g = core.compile(f, inputs=s, outputs=s)
    return g(pair(core)[0]), g(pair(core)[0]), s


@case("eval in grad")
def _(core):
    def f(x):
        y = x * 2
        core.eval(y)
        return (y * x).sum()
    return core.grad(f)(pair(core)[0])


@case("item in grad")
def _(core):
    return core.grad(lambda x: x * x.item())(core.array(3.0))


@case("bool in vmap")
def _(core):
    return core.vmap(lambda x: x if x > 0 else -x)(pair(core)[0])


@case("print in compile")
def _(core):
    def f(x): str(x)
    return x
    return core.compile(f)(pair(core)[0])


@case("leak from grad used")
def _(core):
    k = []
    core.grad(lambda x: (k.append(x * 2), x.sum())[1])(pair(core)[0])
    return k[0] + 1


@case("leak from vmap used")
def _(core):
    k = []
    core.vmap(lambda x: (k.append(x * 2), x)[1])(pair(core)[0])
    return k[0] + 1


@case("complex grads")
def _(core):
    z = core.array([1 + 2j, 3 - 1j])
    return core.grad(lambda z: core.abs(z).sum())(z), core.vjp(lambda z: z * z, [z], [z])


@case("grad by integers")
def _(core):
    return core.vjp(lambda x: x * 2.0, [core.array([1, 2])], [core.array([1.0, 1.0])])


@case("numpy argument in compile")
def _(core):
    return core.compile(lambda x: x)(np.ones(2))


@case("compile lambda of lambda default arrays")
def _(core):
    y = pair(core)[1]
    return core.compile(lambda x, y=y: x * y)(pair(core)[0])


@case("compile kw order")
def _(core):
    f = core.compile(lambda **k: k["a"] - k["b"])
    return f(a=pair(core)[0], b=pair(core)[1]), f(b=pair(core)[1], a=pair(core)[0])


@case("compile varargs")
def _(core):
    return core.compile(lambda *a: sum(a))(*pair(core))


@case("vmap of random without key")
def _(core):
    core.random.seed(2)
    return core.vmap(lambda x: x + core.random.uniform())(core.zeros(3))


@case("gather mapped idx")
def _(core):
    return core.vmap(lambda x, i: x[i], in_axes=(None, 0))(core.arange(5.0), core.array([1, 3]))


@case("scatter in vmap")
def _(core):
    def f(x, i):
        x[i] = 7.0
        return x
    return core.vmap(f)(core.zeros((3, 4)), core.array([0, 1, 2]))


@case("at add in grad")
def _(core):
    return core.grad(lambda x: (x.at[core.array([0, 0])].add(x) ** 2).sum())(pair(core)[0])


@case("where nan grads")
def _(core):
    return core.grad(lambda x: core.where(x > 0, core.sqrt(x), 0.0).sum())(core.array([0.0, 4.0, -1.0]))


@case("max ties")
def _(core):
    return core.grad(lambda x: x.max())(core.array([1.0, 3.0, 3.0]))


@case("maximum ties")
def _(core):
    return core.vjp(core.maximum, [core.array([1.0]), core.array([1.0])], [core.array([1.0])])


@case("abs at 0, sqrt at 0, power 0")
def _(core):
    return (
        core.grad(lambda x: core.abs(x).sum())(core.array([0.0])),
        core.grad(lambda x: (x ** 0).sum())(core.array([0.0])),
        core.grad(lambda x: (x ** 2).sum())(core.array([0.0])),
    )


@case("prod with zeros")
def _(core):
    return (
        core.grad(lambda x: x.prod())(core.array([0.0, 2.0, 3.0])),
        core.grad(lambda x: x.prod())(core.array([0.0, 0.0, 3.0])),
    )


@case("norm at 0")
def _(core):
    return core.grad(lambda x: core.linalg.norm(x))(core.array([0.0, 0.0]))


@case("grad of empty")
def _(core):
    return core.grad(lambda x: x.sum())(core.zeros((0,)))


@case("compile not callable")
def _(core):
    return core.compile(3)


@case("grad not callable")
def _(core):
    return core.grad(3)


@case("vmap not callable")
def _(core):
    return core.vmap("a")


@case("checkpoint not callable")
def _(core):
    return core.checkpoint(None)


@case("value_and_grad kwargs only")
def _(core):
    return core.value_and_grad(lambda *, y: (y * y).sum(), argnames=["y"])(y=pair(core)[0])


@case("compile mx.sum directly")
def _(core):
    return core.compile(core.sum)(pair(core)[0])


@case("grad of mx.sum axis kw")
def _(core):
    return core.grad(lambda x, axis: core.sum(x, axis=axis).sum())(core.ones((2, 3)), axis=1)


# Where this library differs, with the reason; docs/differences.md says the same.
DIFFERENT = {
    "custom vjp wrong count": "refused",
    "grad by integers": "integers have no tangents",
    "abs at 0, sqrt at 0, power 0": "the derivative of x**0 is 0; Apple's is NaN at 0",
}

test_results_and_refusals_are_those_of_apple, test_differences_are_those_that_are_written_down = (
    compared(CALLS, DIFFERENT)
)
