"""Trees, state and constants in transforms, called as in Apple's library."""

import pytest
from calls import Calls, layers, pair, compared

import mlx_oxide.core as mx

CALLS = Calls()
case = CALLS.case


@pytest.fixture(autouse=True)
def compiling():
    mx.enable_compile()  # which the set-up of the tests disables for the sake of Apple's library


@case("dict other argument is the same object in grad")
def _(core):
    c = {}
    def f(x, c):
        c["k"] = (x * 2)
        return c["k"].sum()
    core.grad(f)(pair(core)[0], c)
    return core.array(len(c))


@case("list other argument mutated in grad")
def _(core):
    c = []
    def f(x, c):
        c.append(x * 2)
        return c[0].sum()
    core.value_and_grad(f)(pair(core)[0], c)
    return c


@case("object argument in grad")
def _(core):
    class O:
        pass
    o = O()
    def f(x, o):
        o.y = x * 2
        return o.y.sum()
    core.grad(f)(pair(core)[0], o)
    return o.y


@case("dict argument of vmap mutated")
def _(core):
    c = {"a": pair(core)[0]}
    core.vmap(lambda c: c.update(b=c["a"]) or c["a"])(c)
    return sorted(c)


@case("dict argument of checkpoint mutated")
def _(core):
    c = {"a": pair(core)[0]}
    core.checkpoint(lambda c: c.update(b=c["a"] * 2) or c["a"])(c)
    return sorted(c)


@case("dict argument of compile mutated")
def _(core):
    c = {"a": pair(core)[0]}
    core.compile(lambda c: c.update(b=c["a"] * 2) or c["a"])(c)
    return sorted(c)


@case("dict argument of custom_function mutated")
def _(core):
    c = {"a": pair(core)[0]}
    core.custom_function(lambda c: c.update(b=c["a"] * 2) or c["a"])(c)
    return sorted(c)


@case("arrays in dict keep identity after grad")
def _(core):
    a = pair(core)[0]
    d = {"a": a}
    core.grad(lambda d: d["a"].sum())(d)
    return core.array(d["a"] is a)


@case("array captured and inplace in grad")
def _(core):
    s = [core.array([0.0, 0.0])]
    def f(x):
        s[0] += x
        return (s[0] * x).sum()
    g = core.grad(f)(pair(core)[0])
    return g


@case("array captured inplace in grad keeps value after")
def _(core):
    s = core.array([0.0, 0.0])
    def f(x):
        s[0] = x[0]
        return (s * x).sum()
    g = core.grad(f)(pair(core)[0])
    return g, s


@case("module train step mutates stats in grad")
def _(core):
    nn, _ = layers(core)
    m = nn.BatchNorm(2)
    vg = nn.value_and_grad(m, lambda m, x: (m(x) ** 2).sum())
    vg(m, core.arange(8.0).reshape(4, 2))
    return m.running_mean, m.running_var


@case("dropout in compile w state")
def _(core):
    nn, _ = layers(core)
    core.random.seed(4)
    d = nn.Dropout(0.5)
    f = core.compile(lambda x: d(x), inputs=core.random.state, outputs=core.random.state)
    return f(core.ones((8,))), f(core.ones((8,)))


@case("value_and_grad of model twice compiled")
def _(core):
    nn, _ = layers(core)
    m = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    for i, l in enumerate((m.layers[0], m.layers[2])):
        l.weight = core.ones(l.weight.shape) * (i + 0.5)
        l.bias = core.ones(l.bias.shape) * 0.1
    vg = core.compile(nn.value_and_grad(m, lambda x: (m(x) ** 2).sum()), inputs=m.state)
    return vg(core.arange(4.0).reshape(2, 2))


@case("compile with list of state nested dict in tuple")
def _(core):
    st = ({"a": [core.array(1.0), {"b": core.array(2.0)}]}, [core.array(3.0)])
    def f(x):
        st[0]["a"][1]["b"] = st[0]["a"][1]["b"] + x
        st[1][0] = st[1][0] * 2
        return st[0]["a"][0] + x
    g = core.compile(f, inputs=st, outputs=st)
    return g(core.array(1.0)), g(core.array(2.0)), st


@case("vmap of function returning a python float")
def _(core):
    return core.vmap(lambda x: 3.0)(pair(core)[0])


@case("vmap returning dict")
def _(core):
    return core.vmap(lambda x: {"a": x, "b": (x, [x * 2])})(pair(core)[0])


@case("vmap returning None")
def _(core):
    return core.vmap(lambda x: None)(pair(core)[0])


@case("vmap of list arg")
def _(core):
    return core.vmap(lambda l: l[0] + l[1])([pair(core)[0], pair(core)[1]])


@case("vmap in_axes tuple too long")
def _(core):
    return core.vmap(lambda x: x, in_axes=(0, 0))(pair(core)[0])


@case("vmap in_axes string")
def _(core):
    return core.vmap(lambda x: x, in_axes="a")(pair(core)[0])


@case("vmap out_axes too deep")
def _(core):
    return core.vmap(lambda x: x, out_axes=3)(pair(core)[0])


@case("vmap no args")
def _(core):
    return core.vmap(lambda: core.array(1.0))()


@case("vjp primals not list")
def _(core):
    return core.vjp(lambda x: x * 2, pair(core)[0], pair(core)[1])


@case("jvp primals tuple")
def _(core):
    return core.jvp(lambda x: x * 2, (pair(core)[0],), (pair(core)[1],))


@case("vjp numbers")
def _(core):
    return core.vjp(lambda x: x * 2, [2.0], [1.0])


@case("vjp dict output")
def _(core):
    return core.vjp(lambda x: {"a": x}, [pair(core)[0]], [pair(core)[1]])


@case("jvp nested output")
def _(core):
    return core.jvp(lambda x: (x, [x * 2]), [pair(core)[0]], [pair(core)[1]])


@case("vjp too few primals")
def _(core):
    return core.vjp(lambda x, y: x * y, [pair(core)[0]], [pair(core)[1]])


@case("jvp tangents count")
def _(core):
    return core.jvp(lambda x, y: x * y, [pair(core)[0], pair(core)[1]], [pair(core)[1]])


@case("value_and_grad keyword default tuple")
def _(core):
    return core.value_and_grad(lambda x, y: (x * y).sum(), argnums=(0,))(pair(core)[0], pair(core)[1])


@case("value_and_grad argnums empty list, argnames")
def _(core):
    return core.value_and_grad(lambda x, y: (x * y).sum(), argnums=[], argnames=["x"])(x=pair(core)[0], y=pair(core)[1])


@case("grad of tree with ints and strings")
def _(core):
    return core.grad(lambda d: (d["w"] * d["n"]).sum())({"w": pair(core)[0], "n": 3, "s": "x", "none": None})


@case("grad tree with int array")
def _(core):
    return core.grad(lambda d: (d["w"] * d["i"]).sum())({"w": pair(core)[0], "i": core.array([1, 2])})


@case("grad through argmax index")
def _(core):
    return core.grad(lambda x: x[core.argmax(x)])(pair(core)[0])


@case("grad through sort take")
def _(core):
    return core.grad(lambda x: (core.sort(x)[::-1] * core.array([1.0, 5.0])).sum())(pair(core)[0])


@case("grad of item assignment slices")
def _(core):
    def f(x, y):
        z = core.zeros((4,))
        z[1:3] = x
        z[::2] += y
        return (z * core.arange(4.0)).sum()
    return core.grad(f, argnums=(0, 1))(*pair(core))


@case("grad of boolean mask assignment")
def _(core):
    def f(x):
        y = x * 2
        y[core.array([True, False])] = 0.0
        return y.sum()
    return core.grad(f)(pair(core)[0])


@case("compile slicing with array start")
def _(core):
    return core.compile(lambda x, i: x[i], )(core.arange(5.0), core.array(3))


@case("compile different dtype retrace")
def _(core):
    f = core.compile(lambda x: x * 2)
    return f(core.array([1])), f(core.array([1.5])), f(core.array([1.5], core.float16))


@case("compile different shapes")
def _(core):
    f = core.compile(lambda x: x.sum())
    return f(core.ones((2,))), f(core.ones((3, 4))), f(core.array(2.0))


@case("compile donated result reused")
def _(core):
    f = core.compile(lambda x: (x + 1, x + 1))
    a, b = f(pair(core)[0])
    a += 5
    return a, b


@case("compile result is input, mutated")
def _(core):
    x = pair(core)[0]
    y = core.compile(lambda x: x)(x)
    y += 5
    return x, y


@case("shapeless over dims")
def _(core):
    f = core.compile(lambda x: core.softmax(x, -1) @ x.T, shapeless=True)
    return f(core.ones((2, 3))), f(core.arange(20.0).reshape(4, 5))


@case("shapeless with ndim change")
def _(core):
    f = core.compile(lambda x: x.sum(-1) * 2, shapeless=True)
    return f(core.ones((2, 3))), f(core.ones((2, 3, 4)))


@case("checkpoint with random inside")
def _(core):
    core.random.seed(9)
    f = core.checkpoint(lambda x: (x * core.random.uniform(shape=(2,))).sum())
    return core.value_and_grad(f)(pair(core)[0])


@case("grad with random inside")
def _(core):
    core.random.seed(9)
    return (
        core.value_and_grad(lambda x: (x * core.random.uniform(shape=(2,))).sum())(pair(core)[0]),
        core.random.uniform(),
    )


@case("nested grad same var closure")
def _(core):
    return core.grad(lambda x: core.grad(lambda y: (x * y * y))(x) * x)(core.array(3.0))


@case("grad wrt closure only")
def _(core):
    w = pair(core)[0]
    return core.grad(lambda x: (w * w).sum())(pair(core)[1])


@case("inner grad of outer var mutated")
def _(core):
    def f(x):
        g = core.grad(lambda z: (z ** 3).sum())(x)
        g[0] = x[1]
        return (g * x).sum()
    return core.grad(f)(pair(core)[0])


@case("stop_gradient tree")
def _(core):
    return core.stop_gradient(pair(core)[0])


@case("grad of complex to real with where")
def _(core):
    return core.grad(lambda x: core.real(core.fft.fft(x) * (1 + 2j)).sum())(core.arange(4.0))


@case("eval inside vmap")
def _(core):
    def f(x):
        core.eval(x)
        return x
    return core.vmap(f)(pair(core)[0])


@case("shape polymorphic python in vmap")
def _(core):
    return core.vmap(lambda x: core.array(x.shape[0]) * x)(core.ones((3, 2)))


@case("iterate in vmap")
def _(core):
    return core.vmap(lambda x: sum(x))(core.ones((3, 2)))


@case("len in grad")
def _(core):
    return core.grad(lambda x: sum(x[i] * i for i in range(len(x))))(pair(core)[0])


@case("compile function raising from inside kwargs")
def _(core):
    return core.compile(lambda x, y: x)(pair(core)[0], z=1)


@case("grad wrong kwargs")
def _(core):
    return core.grad(lambda x: x.sum())(pair(core)[0], z=1)


@case("custom function vjp with kwargs")
def _(core):
    @core.custom_function
    def f(x, s):
        return x * s
    @f.vjp
    def _(primals, cot, out):
        return cot * 3, cot * 4
    return core.grad(lambda x, s: f(x, s).sum(), argnums=(0, 1))(*pair(core))


@case("custom function tree")
def _(core):
    @core.custom_function
    def f(d):
        return {"y": d["x"] * 2}
    @f.vjp
    def _(primals, cot, out):
        return {"x": cot["y"] * 3}
    return core.grad(lambda x: f({"x": x})["y"].sum())(pair(core)[0])


@case("custom function in vmap without rule")
def _(core):
    @core.custom_function
    def f(x):
        return core.sin(x)
    return core.vmap(f)(pair(core)[0])


@case("custom vjp in vmap grad")
def _(core):
    @core.custom_function
    def f(x):
        return core.sin(x)
    @f.vjp
    def _(primals, cot, out):
        return cot * 3
    return core.vmap(core.grad(f))(pair(core)[0])


@case("custom vjp in compile grad")
def _(core):
    @core.custom_function
    def f(x):
        return core.sin(x)
    @f.vjp
    def _(primals, cot, out):
        return cot * 3
    return core.compile(core.grad(lambda x: f(x).sum()))(pair(core)[0])


@case("custom vjp second order")
def _(core):
    @core.custom_function
    def f(x):
        return x * x
    @f.vjp
    def _(primals, cot, out):
        return cot * primals ** 2
    return core.grad(core.grad(f))(core.array(3.0))


@case("depends")
def _(core):
    return core.grad(lambda x: core.depends(x * 2, core.sin(x)).sum())(pair(core)[0])


@case("compile unhashable list arg")
def _(core):
    return core.compile(lambda l: l[0] * len(l[1]))([pair(core)[0], [1, 2, [3]]])


@case("compile big int const")
def _(core):
    return core.compile(lambda x, n: x * (n % 7))(pair(core)[0], 10 ** 30)


@case("compile bytes const")
def _(core):
    return core.compile(lambda x, n: x * len(n))(pair(core)[0], b"abc")


@case("compile dtype const")
def _(core):
    return core.compile(lambda x, n: x.astype(n))(pair(core)[0], core.int32)


@case("compile tuple of numbers const")
def _(core):
    return core.compile(lambda x, n: x.reshape(n))(pair(core)[0], (2, 1))


@case("compile function const")
def _(core):
    return core.compile(lambda x, n: n(x))(pair(core)[0], core.sin)


@case("compile complex const")
def _(core):
    return core.compile(lambda x, n: x * n)(pair(core)[0], 1j)


@case("compile ellipsis/slice const")
def _(core):
    return core.compile(lambda x, n: x[n])(pair(core)[0], slice(0, 1))


# Where this library differs, with the reason; docs/differences.md says the same.
DIFFERENT = {
    "vmap of function returning a python float": "numbers are left as they are",
    "vmap returning None": "nothing is left as it is",
    "grad tree with int array": "integers have no tangents",
    "grad through argmax index": "indices do not depend on what is differentiated; Apple's refuses",
    "checkpoint with random inside": "the gradient is that of the value; Apple's draws again",
    "compile big int const": "integers of any size are constants",
}

test_results_and_refusals_are_those_of_apple, test_differences_are_those_that_are_written_down = (
    compared(CALLS, DIFFERENT)
)
