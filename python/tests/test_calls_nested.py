"""Transforms in transforms, called as in Apple's library."""

import collections
import dataclasses
import functools

import pytest
from calls import Calls, layers, pair, compared

import mlx_oxide.core as mx

CALLS = Calls()
case = CALLS.case


@pytest.fixture(autouse=True)
def compiling():
    mx.enable_compile()  # which the set-up of the tests disables for the sake of Apple's library


@case("grad vmap compile checkpoint custom kwargs")
def _(core):
    @core.custom_function
    def f(x, y):
        return core.sin(x) * y
    @f.vjp
    def _(primals, cotangent, output):
        return cotangent * primals[1], cotangent * 7
    def g(x, *, y):
        return f(x, y).sum()
    h = core.compile(core.checkpoint(lambda x, y: g(x, y=y)))
    rows = core.vmap(lambda r: core.exp(r) * r)
    return core.grad(lambda x: rows(x).sum() + h(x, x * 2))(core.arange(6.0).reshape(3, 2))


@case("vmap grad compile")
def _(core):
    f = core.compile(lambda x, y: (x * y).sum())
    return core.vmap(core.grad(f), in_axes=(0, None))(core.arange(6.0).reshape(3, 2), core.array([1.0, 2.0]))


@case("grad grad grad compile")
def _(core):
    f = core.compile(lambda x: x ** 4)
    return core.grad(core.grad(core.compile(core.grad(f))))(core.array(2.0))


@case("compile with random in vmap")
def _(core):
    core.random.seed(1)
    k = core.random.split(core.random.key(3), 4)
    return core.vmap(lambda k: core.random.uniform(key=k, shape=(2,)))(k)


@case("compile random twice differs state")
def _(core):
    core.random.seed(5)
    f = core.compile(lambda: core.random.normal((2,)), inputs=core.random.state, outputs=core.random.state)
    return f(), f(), core.random.state[0]


@case("exception in traced then ok")
def _(core):
    n = [0]
    def f(x):
        n[0] += 1
        if n[0] == 1: raise KeyError("boom")
        return x + 1
    c = core.compile(f)
    try:
        c(pair(core)[0])
        r = 0
    except KeyError:
        r = 1
    return core.array(r), c(pair(core)[0])


@case("exception in grad restores")
def _(core):
    def f(x):
        raise ZeroDivisionError
    try:
        core.grad(f)(core.array(1.0))
    except ZeroDivisionError:
        pass
    return core.grad(lambda x: x * x)(core.array(3.0))


@case("exception in vmap restores")
def _(core):
    def f(x):
        raise StopIteration
    try:
        core.vmap(f)(core.array([1.0]))
    except Exception as e:
        r = type(e).__name__
    return core.vmap(lambda x: x * x)(core.array([3.0]))


@case("inplace in grad")
def _(core):
    def f(x):
        y = x * 1
        y[0] = 3.0
        y += x
        return (y * x).sum()
    return core.grad(f)(pair(core)[0])


@case("inplace on the argument in grad")
def _(core):
    x = pair(core)[0]
    def f(x):
        x += 1
        x[1] = x[0]
        return (x * x).sum()
    return core.grad(f)(x), x


@case("inplace on argument in compile")
def _(core):
    x = pair(core)[0]
    def f(x):
        x += 1
        return x * 2
    return core.compile(f)(x), x


@case("inplace on argument in vmap")
def _(core):
    x = core.arange(6.0).reshape(3, 2)
    def f(x):
        x[0] = 9.0
        return x * 2
    return core.vmap(f)(x), x


@case("inplace on dict in grad")
def _(core):
    d = {"a": pair(core)[0]}
    def f(d):
        d["a"] = d["a"] * 2
        return d["a"].sum()
    return core.grad(f)(d), d


@case("mutated list arg in compile")
def _(core):
    d = [pair(core)[0]]
    def f(d):
        d.append(d[0] * 2)
        return d[0].sum()
    r = core.compile(f)(d)
    return r, core.array(len(d))


@case("value_and_grad returns tuple with none")
def _(core):
    return core.value_and_grad(lambda x: (x.sum(), None, {"a": x, "b": [x, "s", 3]}))(pair(core)[0])


@case("grad of bool output")
def _(core):
    return core.grad(lambda x: x > 0)(core.array(1.0))


@case("grad of int output")
def _(core):
    return core.grad(lambda x: x.astype(core.int32))(core.array(1.0))


@case("grad of non-scalar")
def _(core):
    return core.grad(lambda x: x)(pair(core)[0])


@case("grad of size-1")
def _(core):
    return core.grad(lambda x: x[None])(core.array(2.0))


@case("grad of python number")
def _(core):
    return core.grad(lambda x: 3.0)(core.array(2.0))


@case("grad of None")
def _(core):
    return core.grad(lambda x: None)(core.array(2.0))


@case("grad of constant array")
def _(core):
    return core.grad(lambda x: core.array(3.0))(core.array(2.0))


@case("grad with python float argument")
def _(core):
    return core.grad(lambda x: x * x)(2.0)


@case("grad argnums of python float")
def _(core):
    return core.grad(lambda x, y: x * y, argnums=1)(core.array(2.0), 3.0)


@case("argnums negative")
def _(core):
    return core.grad(lambda x, y: x * y, argnums=-1)(core.array(2.0), core.array(3.0))


@case("argnums twice")
def _(core):
    return core.grad(lambda x, y: x * y, argnums=(0, 0))(core.array(2.0), core.array(3.0))


@case("argnums empty")
def _(core):
    return core.grad(lambda x, y: x * y, argnums=())(core.array(2.0), core.array(3.0))


@case("argnums too large")
def _(core):
    return core.grad(lambda x, y: x * y, argnums=2)(core.array(2.0), core.array(3.0))


@case("argnums list")
def _(core):
    return core.grad(lambda x, y: x * y, argnums=[0, 1])(core.array(2.0), core.array(3.0))


@case("argnames")
def _(core):
    return core.grad(lambda x, y: x * y, argnames="y")(core.array(2.0), y=core.array(3.0))


@case("argnames and argnums")
def _(core):
    return core.grad(lambda x, y: x * y, argnums=0, argnames=["y"])(core.array(2.0), y=core.array(3.0))


@case("argnames missing")
def _(core):
    return core.grad(lambda x, y=2: x * y, argnames="y")(core.array(2.0))


@case("argnames unknown")
def _(core):
    return core.grad(lambda x, **k: x, argnames="z")(core.array(2.0), y=core.array(1.0))


@case("default kwarg tree")
def _(core):
    return core.grad(lambda x, p={"a": 1}: x * p["a"])(core.array(2.0), p={"a": core.array(4.0)})


@case("namedtuple in grad")
def _(core):
    T = collections.namedtuple("T", "a b")
    r = core.grad(lambda t: (t.a * t.b).sum())(T(*pair(core)))
    return tuple(r)


@case("namedtuple in compile")
def _(core):
    T = collections.namedtuple("T", "a b")
    r = core.compile(lambda t: (t[0] * t[1]).sum())(T(*pair(core)))
    return r


@case("dataclass in compile")
def _(core):
    @dataclasses.dataclass
    class D:
        a: object
    return core.compile(lambda d: d.a * 2)(D(pair(core)[0]))


@case("dataclass in grad")
def _(core):
    @dataclasses.dataclass
    class D:
        a: object
    return core.grad(lambda d: (d.a * 2).sum())(D(pair(core)[0]))


@case("generator in compile")
def _(core):
    return core.compile(lambda g: sum(g))(x for x in pair(core))


@case("set in compile")
def _(core):
    return core.compile(lambda s: core.array(len(s)))({1, 2})


@case("dict subclass in grad")
def _(core):
    class D(dict):
        pass
    r = core.grad(lambda d: d["a"].sum())(D(a=pair(core)[0]))
    return dict(r)


@case("list subclass in compile")
def _(core):
    class L(list):
        pass
    return core.compile(lambda l: l[0] * 2)(L([pair(core)[0]]))


@case("ordered dict in vmap")
def _(core):
    return core.vmap(lambda d: d["a"] + d["b"])(collections.OrderedDict(b=pair(core)[0], a=pair(core)[1]))


@case("int keys in grad")
def _(core):
    g = core.grad(lambda d: (d[1] * d[2]).sum())
    return list(g({1: pair(core)[0], 2: pair(core)[1]}).values())


@case("same array twice")
def _(core):
    x = pair(core)[0]
    return core.grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(x, x)


@case("same array twice in a dict in compile")
def _(core):
    x = pair(core)[0]
    return core.compile(lambda d: d["a"] * 2 + d["b"])({"a": x, "b": x})


@case("identity compile returns input")
def _(core):
    return core.compile(lambda x: x)(pair(core)[0])


@case("compile returns captured const")
def _(core):
    y = pair(core)[1]
    return core.compile(lambda x: (x, y))(pair(core)[0])


@case("compile no args const")
def _(core):
    return core.compile(lambda: core.array([1.0, 2.0]) * 2)()


@case("compile string and none results")
def _(core):
    r = core.compile(lambda x: (x, "a", None, 3))(pair(core)[0])
    return r[0], core.array(len(r))


@case("compile float constants retrace")
def _(core):
    f = core.compile(lambda x, s: x * s)
    return f(pair(core)[0], 2.0), f(pair(core)[0], 3.0), f(pair(core)[0], 2), f(pair(core)[0], True)


@case("compile nan constants")
def _(core):
    f = core.compile(lambda x, s: x * s)
    return f(pair(core)[0], float("nan")), f(pair(core)[0], float("nan"))


@case("compile 1 and 1.0 and True")
def _(core):
    f = core.compile(lambda x, s: core.array(s) * 1)
    return f(pair(core)[0], 1), f(pair(core)[0], 1.0), f(pair(core)[0], True)


@case("compile weak type result dtype")
def _(core):
    f = core.compile(lambda x, s: x * s)
    x = core.array([1], core.int8)
    return f(x, 2), f(x, 2.5), f(core.array([1.0], core.float16), 2.5)


@case("captured global changes after trace")
def _(core):
    g = [core.array(2.0)]
    f = core.compile(lambda x: x * g[0])
    a = f(pair(core)[0])
    g[0] = core.array(5.0)
    return a


@case("module state captured")
def _(core):
    nn, _ = layers(core)
    m = nn.Linear(2, 2)
    m.weight = core.eye(2)
    m.bias = core.zeros(2)
    f = core.compile(lambda x: m(x), inputs=m.state)
    a = f(pair(core)[0])
    m.weight = core.eye(2) * 3
    return a, f(pair(core)[0])


@case("training step captured with optimizer")
def _(core):
    nn, o = layers(core)
    m = nn.Linear(2, 2)
    m.weight = core.eye(2)
    m.bias = core.zeros(2)
    opt = o.Adam(1e-1)
    vg = nn.value_and_grad(m, lambda m, x: (m(x) ** 2).sum())
    st = [m.state, opt.state, core.random.state]
    @functools.partial(core.compile, inputs=st, outputs=st)
    def step(x):
        l, g = vg(m, x)
        opt.update(m, g)
        return l
    r = [step(pair(core)[0]) for _ in range(3)]
    return r, m.weight, m.bias


@case("compile in vmap in compile")
def _(core):
    f = core.compile(lambda x: core.softmax(x) * 2)
    return core.compile(core.vmap(lambda x: f(x) + 1))(core.arange(6.0).reshape(3, 2))


@case("vmap in_axes dict")
def _(core):
    f = core.vmap(lambda d: d["a"] * d["b"], in_axes=({"a": 0, "b": None},))
    return f({"a": core.arange(6.0).reshape(3, 2), "b": core.array([1.0, 2.0])})


@case("vmap out_axes tree")
def _(core):
    return core.vmap(lambda x: {"a": x, "b": [x * 2]}, out_axes={"a": 1, "b": [0]})(core.arange(6.0).reshape(3, 2))


@case("vmap out_axes None")
def _(core):
    return core.vmap(lambda x: (x, core.array(1.0)), out_axes=(0, None))(core.arange(6.0).reshape(3, 2))


@case("vmap out None of mapped")
def _(core):
    return core.vmap(lambda x: x, out_axes=None)(core.arange(6.0).reshape(3, 2))


@case("vmap all none")
def _(core):
    return core.vmap(lambda x: x, in_axes=None)(core.arange(6.0).reshape(3, 2))


@case("vmap unequal")
def _(core):
    return core.vmap(lambda x, y: x + y)(core.zeros((3, 2)), core.zeros((4, 2)))


@case("vmap axis too large")
def _(core):
    return core.vmap(lambda x: x, in_axes=2)(core.zeros((3, 2)))


@case("vmap scalar")
def _(core):
    return core.vmap(lambda x: x)(core.array(1.0))


@case("vmap empty")
def _(core):
    return core.vmap(lambda x: x.sum())(core.zeros((0, 2)))


@case("vmap negative axis")
def _(core):
    return core.vmap(lambda x: x * 2, in_axes=-1, out_axes=-1)(core.arange(6.0).reshape(3, 2))


@case("vmap nested grads")
def _(core):
    return core.vmap(core.vmap(core.grad(lambda x: core.sin(x))))(core.arange(6.0).reshape(3, 2))


@case("vmap of kwargs")
def _(core):
    return core.vmap(lambda x, y: x * y)(pair(core)[0], y=pair(core)[1])


# Where this library differs, with the reason; docs/differences.md says the same.
DIFFERENT = {
    "inplace on argument in vmap": "every slice is written; Apple's writes the first",
    "inplace on dict in grad": "a differentiated dict stays as it was; Apple's changes the caller's",
    "grad of int output": "integers have no tangents",
    "vmap in_axes dict": "a leaf of a tree may be shared; Apple's refuses",
    "vmap out_axes None": "what does not depend on slices is returned once, as in JAX",
}

test_results_and_refusals_are_those_of_apple, test_differences_are_those_that_are_written_down = (
    compared(CALLS, DIFFERENT)
)
