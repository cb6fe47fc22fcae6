"""vmap, files and gradients, called as in Apple's library."""

import tempfile

import pytest
from calls import Calls, pair, compared

import mlx_oxide.core as mx

CALLS = Calls()
case = CALLS.case


@pytest.fixture(autouse=True)
def compiling():
    mx.enable_compile()  # which the set-up of the tests disables for the sake of Apple's library


def custom(core, function=None):
    return core.custom_function(function or (lambda x: core.sin(x)))


def exported(core, *arguments, **keywords):
    path = tempfile.mktemp(suffix=".mlxfn")
    core.export_function(path, *arguments, **keywords)
    return path


@case("vmap in_axes tree")
def _(core):
    return core.vmap(lambda t, s: t["a"] * s, in_axes=({"a": 1}, 0))({"a": core.arange(6.0).reshape(2, 3)}, core.arange(3.0))


@case("vmap in_axes broadcast to tree")
def _(core):
    return core.vmap(lambda t: t["a"] * t["b"], in_axes=1)({"a": core.arange(6.0).reshape(2, 3), "b": core.ones((2, 3))})


@case("vmap in_axes list in tree")
def _(core):
    return core.vmap(lambda t: t[0] * t[1], in_axes=([0, None],))([core.arange(6.0).reshape(2, 3), core.ones((3,))])


@case("vmap out_axes tree")
def _(core):
    return core.vmap(lambda x: {"a": x, "b": x * 2}, out_axes={"a": 0, "b": 1})(core.arange(6.0).reshape(2, 3))


@case("vmap out_axes tuple")
def _(core):
    return core.vmap(lambda x: (x, x * 2), out_axes=(1, 0))(core.arange(6.0).reshape(2, 3))


@case("vmap out_axes beyond")
def _(core):
    return core.vmap(lambda x: x, out_axes=5)(core.arange(6.0).reshape(2, 3))


@case("vmap out -2")
def _(core):
    return core.vmap(lambda x: x, out_axes=-2)(core.arange(6.0).reshape(2, 3))


@case("vmap in -3")
def _(core):
    return core.vmap(lambda x: x, in_axes=-3)(core.arange(6.0).reshape(2, 3))


@case("vmap float axes")
def _(core):
    return core.vmap(lambda x: x, in_axes=1.0)(core.arange(6.0).reshape(2, 3))


@case("vmap kwargs")
def _(core):
    return core.vmap(lambda x, y=None: x * y)(pair(core)[0], y=pair(core)[1])


@case("vmap number arg")
def _(core):
    return core.vmap(lambda x, n: x * n)(pair(core)[0], 2.0)


@case("vmap number arg none")
def _(core):
    return core.vmap(lambda x, n: x * n, in_axes=(0, None))(pair(core)[0], 2.0)


@case("vmap returns number")
def _(core):
    return core.vmap(lambda x: 3.0)(pair(core)[0])


@case("vmap returns none")
def _(core):
    return core.vmap(lambda x: None)(pair(core)[0])


@case("vmap no args")
def _(core):
    return core.vmap(lambda: core.array(1.0))()


@case("vmap out None unmapped")
def _(core):
    return core.vmap(lambda x, y: y * 2, in_axes=(0, None), out_axes=None)(*pair(core))


@case("vmap bool axes")
def _(core):
    return core.vmap(lambda x: x, in_axes=True)(core.arange(6.0).reshape(2, 3))


@case("vmap empty")
def _(core):
    return core.vmap(lambda x: x * 2)(core.zeros((0, 3)))


@case("vmap random")
def _(core):
    return core.vmap(lambda k: core.random.uniform(key=k))(core.random.split(core.random.key(0), 3))


@case("vmap zip unequal")
def _(core):
    return core.vmap(lambda x, y: x, in_axes=(0, 1))(core.ones((2, 3)), core.ones((2, 3)))


@case("vmap of a function of lists")
def _(core):
    return core.vmap(lambda *xs: xs[0] + xs[1])(*pair(core))


@case("export positional call")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, *pair(core)))(*pair(core))


@case("export call with a list")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, *pair(core)))(list(pair(core)))


@case("export call with a tuple")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, *pair(core)))(pair(core))


@case("export args as list")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, list(pair(core))))(*pair(core))


@case("export kwargs dict")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, {"x": pair(core)[0], "y": pair(core)[1]}))(x=pair(core)[0], y=pair(core)[1])


@case("export kwargs dict call")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, x=pair(core)[0], y=pair(core)[1]))({"x": pair(core)[0], "y": pair(core)[1]})


@case("export kw called positional")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, x=pair(core)[0], y=pair(core)[1]))(*pair(core))


@case("export mixed")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, pair(core)[0], y=pair(core)[1]))(pair(core)[0], y=pair(core)[1])


@case("export list and dict")
def _(core):
    return core.import_function(exported(core, lambda x, y: x * y, [pair(core)[0]], {"y": pair(core)[1]}))([pair(core)[0]], {"y": pair(core)[1]})


@case("export called wrong shape")
def _(core):
    return core.import_function(exported(core, lambda x: x * 2, pair(core)[0]))(core.ones(3))


@case("export called wrong dtype")
def _(core):
    return core.import_function(exported(core, lambda x: x * 2, pair(core)[0]))(core.ones(2, dtype=core.int32))


@case("export called number")
def _(core):
    return core.import_function(exported(core, lambda x: x * 2, pair(core)[0]))(3.0)


@case("export called nothing")
def _(core):
    return core.import_function(exported(core, lambda x: x * 2, pair(core)[0]))()


@case("export returns dict")
def _(core):
    return core.import_function(exported(core, lambda x: {"a": x}, pair(core)[0]))(pair(core)[0])


@case("export returns nested")
def _(core):
    return core.import_function(exported(core, lambda x: (x, [x]), pair(core)[0]))(pair(core)[0])


@case("export returns number")
def _(core):
    return core.import_function(exported(core, lambda x: 3, pair(core)[0]))(pair(core)[0])


@case("export returns None")
def _(core):
    return core.import_function(exported(core, lambda x: None, pair(core)[0]))(pair(core)[0])


@case("export no inputs")
def _(core):
    return core.import_function(exported(core, lambda: core.ones(2) * 3))()


@case("export shapeless")
def _(core):
    return core.import_function(exported(core, lambda x: x * 2, pair(core)[0], shapeless=True))(core.ones(5))


@case("export shapeless kw dtype")
def _(core):
    return core.import_function(exported(core, lambda x: x * 2, pair(core)[0], shapeless=True))(core.ones(5, dtype=core.float16))


@case("export custom rules grad")
def _(core):
    f = custom(core)
    f.vjp(lambda p, ct, o: ct * 10)
    g = core.import_function(exported(core, lambda x: f(x), pair(core)[0]))
    return core.grad(lambda x: g(x)[0].sum())(pair(core)[0])


@case("export checkpoint")
def _(core):
    g = core.import_function(exported(core, lambda x: core.checkpoint(lambda x: core.sin(x))(x), pair(core)[0]))
    return core.grad(lambda x: g(x)[0].sum())(pair(core)[0])


@case("export of compiled")
def _(core):
    return core.import_function(exported(core, core.compile(lambda x: x * 2 + 1), pair(core)[0]))(pair(core)[0])


@case("export of grad")
def _(core):
    return core.import_function(exported(core, core.grad(lambda x: (x * x).sum()), pair(core)[0]))(pair(core)[0])


@case("export of vmap")
def _(core):
    return core.import_function(exported(core, core.vmap(lambda x: x.sum()), core.ones((2, 3))))(core.ones((2, 3)))


@case("export random")
def _(core):
    g = core.import_function(exported(core, lambda k: core.random.normal(key=k, shape=(3,)), core.random.key(1)))
    return g(core.random.key(7))


@case("exporter several")
def _(core):
    p = tempfile.mktemp(suffix=".mlxfn")
    with core.exporter(p, lambda x: x * 2) as e:
        e(core.ones(2))
        e(core.ones((2, 2)))
    g = core.import_function(p)
    return (g(core.ones(2)), g(core.ones((2, 2))))


@case("exporter duplicate")
def _(core):
    p = tempfile.mktemp(suffix=".mlxfn")
    with core.exporter(p, lambda x: x * 2) as e:
        e(core.ones(2))
        e(core.ones(2))


@case("exporter after close")
def _(core):
    p = tempfile.mktemp(suffix=".mlxfn")
    with core.exporter(p, lambda x: x * 2) as e:
        e(core.ones(2))
    e(core.ones(3))


@case("export to dot bad")
def _(core):
    core.export_to_dot("/none/x.dot", pair(core)[0] + 1)


@case("import vmap")
def _(core):
    g = core.import_function(exported(core, lambda x: core.exp(x).sum(), core.ones(3)))
    return core.vmap(lambda x: g(x)[0])(core.ones((2, 3)))


@case("grad argnums tuple names")
def _(core):
    return core.grad(lambda x, y: (x * y).sum(), (0,), ["y"])(pair(core)[0], y=pair(core)[1])


@case("grad none argnums with names")
def _(core):
    return core.grad(lambda x, y: (x * y).sum(), None, ["y"])(pair(core)[0], y=pair(core)[1])


@case("grad bool argnums")
def _(core):
    return core.grad(lambda x, y: (x * y).sum(), True)(*pair(core))


@case("grad float argnums")
def _(core):
    return core.grad(lambda x, y: (x * y).sum(), 1.0)(*pair(core))


@case("grad kw not array")
def _(core):
    return core.grad(lambda x, y: (x * y).sum(), argnames="y")(pair(core)[0], y=3.0)


@case("grad tree with None")
def _(core):
    return core.grad(lambda p: p["a"].sum())({"a": pair(core)[0], "b": None})


@case("grad tree with int")
def _(core):
    return core.grad(lambda p: (p["a"] * p["n"]).sum())({"a": pair(core)[0], "n": 3})


@case("grad tuple of arrays")
def _(core):
    return core.grad(lambda p, q: (p[0] * q).sum(), (0, 1))((pair(core)[0],), pair(core)[1])


@case("grad complex out")
def _(core):
    return core.grad(lambda x: (x * 1j).sum())(pair(core)[0])


@case("grad complex in")
def _(core):
    return core.grad(lambda x: core.abs(x).sum())(core.array([1 + 2j, 3j]))


@case("grad int out")
def _(core):
    return core.grad(lambda x: x.astype(core.int32).sum())(pair(core)[0])


@case("grad bool in")
def _(core):
    return core.grad(lambda x: x.sum())(core.array([True, False]))


@case("value_and_grad none first")
def _(core):
    return core.value_and_grad(lambda x: (None, x))(pair(core)[0])


@case("value_and_grad empty tuple")
def _(core):
    return core.value_and_grad(lambda x: ())(pair(core)[0])


@case("vjp no primals")
def _(core):
    return core.vjp(lambda: core.ones(2), [], [core.ones(2)])


@case("vjp dtype differs")
def _(core):
    return core.vjp(lambda x: x * 2, [pair(core)[0]], [pair(core)[0].astype(core.float16)])


@case("vjp cotangent int")
def _(core):
    return core.vjp(lambda x: x * 2, [pair(core)[0]], [core.array([1, 2])])


@case("vjp primals tree")
def _(core):
    return core.vjp(lambda t: t["a"], [{"a": pair(core)[0]}], [pair(core)[0]])


@case("jvp dtype differs")
def _(core):
    return core.jvp(lambda x: x * 2, [pair(core)[0]], [pair(core)[0].astype(core.float16)])


@case("jvp too many tangents")
def _(core):
    return core.jvp(lambda x: x * 2, [pair(core)[0]], list(pair(core)))


@case("jvp int primal")
def _(core):
    return core.jvp(lambda x: x * 2, [core.array([1, 2])], [core.array([1, 1])])


@case("jvp no dependence")
def _(core):
    return core.jvp(lambda x: core.ones(2), [pair(core)[0]], [pair(core)[1]])


@case("vjp no dependence")
def _(core):
    return core.vjp(lambda x: core.ones(2), [pair(core)[0]], [pair(core)[1]])


@case("stop_gradient tree")
def _(core):
    return core.stop_gradient([pair(core)[0]])


@case("stop_gradient number")
def _(core):
    return core.stop_gradient(3.0)


@case("eval tree")
def _(core):
    return core.eval({"a": pair(core)[0], "b": 3, "c": [None, "x"]})


@case("async_eval tree")
def _(core):
    return core.async_eval([pair(core)[0], {"a": pair(core)[1]}], 3)


@case("depends list")
def _(core):
    return core.depends([pair(core)[0]], [pair(core)[1]])


@case("depends one")
def _(core):
    return core.depends(pair(core)[0], pair(core)[1])


@case("depends bad")
def _(core):
    return core.depends(3, pair(core)[1])


# Where this library differs, with the reason; docs/differences.md says the same.
DIFFERENT = {
    "vmap in_axes list in tree": "a list serves as well as a tuple",
    "vmap number arg": "numbers stay as they are",
    "vmap number arg none": "numbers stay as they are",
    "vmap returns number": "numbers stay as they are",
    "vmap returns none": "what is no array stays as it is",
    "vmap out None unmapped": "an output that is not mapped has no axis",
    "export custom rules grad": "rules are traced and stored; Apple's refuses",
    "export checkpoint": "stored; Apple's refuses",
    "export to dot bad": "a file that cannot be written is an error",
    "grad int out": "integers have no tangents",
    "grad bool in": "truth has no tangents",
    "jvp int primal": "integers have no tangents",
    "stop_gradient tree": "lists become arrays, as elsewhere",
    "stop_gradient number": "numbers become arrays, as elsewhere",
}

test_results_and_refusals_are_those_of_apple, test_differences_are_those_that_are_written_down = (
    compared(CALLS, DIFFERENT)
)
