"""Every public name is documented, its examples run, and its signature is MLX's."""

import ast
import doctest
import inspect
import re
from pathlib import Path

import mlx.core as apple
import numpy
import pytest

import mlx_oxide.core as mx
import mlx_oxide.nn as nn
import mlx_oxide.optimizers as optim
import mlx_oxide.utils as utils

CORE = ["", "fast", "linalg", "fft", "random", "distributed", "metal", "cuda"]
# Examples that need what is not here are marked by such a comment.
ELSEWHERE = re.compile(r"# (of several processes|on Metal|with CUDA)")
# What is said in one line: counters and limits, and types that functions make.
SHORT = re.compile(r"memory|limit|cache|Result$")


def submodule(core, name):
    return getattr(core, name) if name else core


def public(module):
    for name in sorted(dir(module)):
        member = getattr(module, name)
        if not name.startswith("_") and callable(member) and not inspect.ismodule(member):
            yield name, member


def documented():
    seen = {}
    for name in CORE:
        for member, found in public(submodule(mx, name)):
            seen.setdefault(id(found), (f"{name}.{member}".strip("."), found))
    for module in (nn, nn.losses, nn.init, optim, utils):
        for member, found in public(module):
            if getattr(found, "__module__", "").startswith("mlx_oxide"):
                seen.setdefault(id(found), (f"{module.__name__[10:]}.{member}", found))
    for name, found in vars(mx.array).items():
        if callable(found) and not name.startswith("_"):
            seen[name] = (f"array.{name}", found)
    return [(name, found) for name, found in seen.values() if not isinstance(found, mx.Dtype)]


NAMES = documented()
EACH = pytest.mark.parametrize("name, member", NAMES, ids=[name for name, _ in NAMES])


@EACH
def test_public_name_has_a_docstring(name, member):
    text = inspect.getdoc(member)
    assert text and len(text) > 10
    if inspect.isclass(member):
        for key, value in vars(member).items():
            if not key.startswith("_") and (callable(value) or inspect.isdatadescriptor(value)):
                assert inspect.getdoc(getattr(member, key)) or key == "precision", key
    elif not SHORT.search(name):
        assert "Example" in text or ">>>" in text


@EACH
def test_examples_run_and_give_what_they_say(name, member, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    device = mx.default_device()
    mx.set_default_device(mx.cpu)
    numbers = {k: mx.ones((1, 4, 2, 8)) for k in "qkv"}
    gates = {k: mx.ones((1, 4, 2)) * 0.5 for k in ("gamma", "beta")}
    scope = {"mx": mx, "nn": nn, "optim": optim, "numpy": numpy, **vars(utils), **vars(optim), **numbers, **gates}
    try:
        test = doctest.DocTestParser().get_doctest(inspect.getdoc(member) or "", scope, name, None, 0)
        test.examples = [e for e in test.examples if not ELSEWHERE.search(e.source)]
        for example in test.examples:
            if not example.want:  # what an example does not say is not compared
                example.options[doctest.ELLIPSIS] = True
                example.want = "...\n" if _is_expression(example.source) else ""
        report = []
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
        runner.run(test, out=report.append)
        assert not runner.failures, "".join(report)
    finally:
        mx.set_default_device(device)
        mx.set_printoptions(precision=-1)
        mx.disable_compile()  # as the set-up of the tests has it


def _is_expression(source):
    try:
        ast.parse(source.strip(), mode="eval")
    except SyntaxError:
        return False
    return True


def parse(line):
    """Parameters of a signature in a docstring of MLX's, with the text of their defaults."""
    arguments = ast.parse(f"def f({re.sub('<[^>]*>', 'None', line)}): pass").body[0].args
    placed = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(placed) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(placed, defaults), *zip(arguments.kwonlyargs, arguments.kw_defaults)]
    return [(p.arg, None if d is None else ast.literal_eval(_plain(d)), d is None) for p, d in pairs]


def _plain(node):
    # names of dtypes are the default of ours by another way
    return ast.Constant(None) if isinstance(node, ast.Name) else node


def signatures():
    for submodule_name in CORE:
        for name, member in public(submodule(apple, submodule_name)):
            line = (member.__doc__ or "").strip().split("\n")[0]
            found = re.match(rf"{name}\((.*)\)( ->.*)?$", line)
            if found and not inspect.isclass(member) and "[writable" not in line:
                yield f"{submodule_name}.{name}".strip("."), found.group(1)


# Defaults that say the same, or more, in another way.
OTHERWISE = {("pad", "constant_values"), ("from_fp8", "dtype")}
SIGNATURES = [pair for pair in signatures() if pair[0] not in ("arange", "distributed.init")]


@pytest.mark.parametrize("name, line", SIGNATURES, ids=[name for name, _ in SIGNATURES])
def test_signature_has_mlxs_names_and_defaults(name, line):
    parameters = inspect.signature(_find(name)).parameters
    for parameter, default, required in parse(line):
        assert parameter in parameters
        ours = parameters[parameter].default
        if required or (name, parameter) in OTHERWISE:
            continue
        assert ours == default and type(ours) in (type(default), float, int), parameter


# Methods that take sizes and axes one by one, too, and what the array API standard gives the function alone.
OWN_SIGNATURES = {"reshape", "transpose", "astype"}
METHODS = [name for name, found in vars(mx.array).items() if callable(found) and not name.startswith("_")]


@pytest.mark.parametrize("name", METHODS)
def test_method_has_the_signature_of_its_function(name):
    parameters = list(inspect.signature(getattr(mx.array, name)).parameters.values())
    assert parameters[0].name == "self"
    if hasattr(mx, name) and name not in OWN_SIGNATURES:
        function = list(inspect.signature(getattr(mx, name)).parameters.values())
        assert [(p.name, p.default) for p in parameters[1:]] == [(p.name, p.default) for p in function[1:]]


def _find(name):
    found = mx
    for part in name.split("."):
        found = getattr(found, part)
    return found


ROOT = Path(__file__).resolve().parents[2]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_readmes_python_gives_what_it_says(capsys):
    for block in blocks("python"):
        exec(block, {})  # noqa: S102
        says = [line[2:] for line in block.splitlines() if line.startswith("# ")]
        assert capsys.readouterr().out.splitlines() == says


def test_the_readmes_rust_is_what_rustdoc_tests():
    tested = (ROOT / "crates" / "mlx-oxide" / "src" / "lib.rs").read_text()
    tested = [line.removeprefix("//!").strip() for line in tested.splitlines()]
    for block in blocks("rust"):
        assert all(line.strip() in tested for line in block.splitlines())
