"""Functions in files."""

import io
import os
import struct
import zlib

import mlx.core as apple
import numpy as np
import pytest
from oracle import assert_same, outcome

import mlx_oxide.core as mx


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "function.mlxfn")


def saved(core, path, *args, **kwargs):
    core.export_function(path, *args, **kwargs)
    return core.import_function(path)


def test_calls_are_those_of_apple(path):
    def run(core):
        x, y = core.array([1.0, 2.0]), core.array([3.0, 4.0])
        f = saved(core, path, lambda x, y: x - y, x, y)
        # Apple's function reads its constants from the file when they are needed
        k = saved(core, path + core.__name__, lambda x, y: (x - y, x * core.array([5.0, 6.0])), x, y=y)
        return [
            outcome(lambda: list(f(x, y))),
            outcome(lambda: list(f([x, y]))),
            outcome(lambda: list(f((x, y)))),
            outcome(lambda: f(x)),
            outcome(lambda: f(x.astype(core.int32), y)),
            outcome(lambda: f(core.ones(3), core.ones(3))),
            outcome(lambda: f(x, 1)),
            outcome(lambda: list(k(x, y=y))),
            outcome(lambda: list(k((x,), {"y": y}))),
            outcome(lambda: k(x, y)),
            outcome(lambda: k(x, z=y)),
            outcome(lambda: saved(core, path, lambda x: {"a": x}, x)),
            outcome(lambda: saved(core, path, lambda x: [x, [x]], x)),
            outcome(lambda: saved(core, path, lambda x, n: x, x, 3)),
            outcome(lambda: core.import_function(path + ".missing")),
        ]

    assert_same(run(mx), run(apple))


def test_metadata(path):
    mx.export_function(path, lambda x: x, mx.array(1.0), metadata="hello")
    function, metadata = mx.import_function(path, return_metadata=True)
    assert metadata == "hello"
    assert function(mx.array(2.0))[0].item() == 2.0


def test_several_traces_in_one_file(path):
    calls = []

    def f(x):
        calls.append(1)
        return x.sum() / x.shape[0]

    with mx.exporter(path, f) as exporter:
        exporter(mx.ones(2))
        exporter(mx.ones(3))
        with pytest.raises(RuntimeError, match="already"):
            exporter(mx.ones(3))
    with pytest.raises(RuntimeError, match="closed"):
        exporter(mx.ones(4))
    function = mx.import_function(path)
    count = len(calls)
    assert function(mx.full((2,), 3.0))[0].item() == 3.0
    assert function(mx.full((3,), 3.0))[0].item() == 3.0
    assert len(calls) == count
    with pytest.raises(ValueError, match="no trace takes"):
        function(mx.ones(4))


def test_shapeless_is_right_or_refused(path):
    f = saved(mx, path, lambda x, y: mx.exp(x) * 2 + y, mx.ones((2, 3)), mx.ones((2, 3)), shapeless=True)
    x, y = mx.random.normal((4, 5)), mx.random.normal((4, 1))
    np.testing.assert_allclose(
        np.array(f(x, y)[0]), np.exp(np.array(x)) * 2 + np.array(y), rtol=1e-5
    )
    with pytest.raises(ValueError, match="no trace"):
        f(mx.ones(3), mx.ones(3))
    for function in (lambda x: x.sum() / x.shape[0], lambda x: x.reshape(1, 2), lambda x: x.mean()):
        with pytest.raises(ValueError, match="shapeless"):
            mx.export_function(path, function, mx.ones(2), shapeless=True)


def test_constants_of_every_dtype(path):
    for dtype in (mx.bool_, mx.uint8, mx.int16, mx.int64, mx.float16, mx.bfloat16, mx.complex64):
        constant = mx.array([1, 0, 2]).astype(dtype)
        out = saved(mx, path, lambda x: (x, constant, constant.reshape(3, 1).T), mx.array(1.0))
        found = out(mx.array(5.0))
        assert found[1].dtype == dtype
        assert mx.array_equal(found[1], constant).item()
        assert found[2].shape == (1, 3)


def test_a_network_and_its_gradient(path):
    import mlx_oxide.nn as nn

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.LayerNorm(4))
    x = mx.random.normal((2, 8, 8, 3))
    f = saved(mx, path, lambda x: model(x), x)
    np.testing.assert_allclose(np.array(f(x)[0]), np.array(model(x)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.array(mx.grad(lambda x: f(x)[0].sum())(x)),
        np.array(mx.grad(lambda x: model(x).sum())(x)),
        rtol=1e-4,
        atol=1e-5,
    )
    compiled = mx.compile(lambda x: f(x)[0] + 1)
    np.testing.assert_allclose(np.array(compiled(x)), np.array(model(x)) + 1, rtol=1e-5, atol=1e-5)
    rows = mx.random.normal((5, 4))
    g = saved(mx, path, lambda x: mx.softmax(x) * x, rows[0])
    np.testing.assert_allclose(
        np.array(mx.vmap(lambda x: g(x)[0])(rows)),
        np.array(mx.softmax(rows, axis=-1) * rows),
        rtol=1e-5,
    )


def test_damaged_files_are_errors(path):
    w = mx.random.normal((8, 8))

    def f(x):
        y = mx.softmax(x @ w, axis=-1)[:, 1:5]
        return mx.sort(mx.concatenate([y, mx.zeros((2, 3))], axis=1)).reshape(-1) + 2, x.T

    mx.export_function(path, f, mx.ones((2, 8)), metadata="text")
    with open(path, "rb") as file:
        good = file.read()
    damaged = [good[:length] for length in range(0, len(good), 7)]
    damaged += [b"", b"hello", os.urandom(500), good[:8] + b"\xff" * 100]
    damaged += [good[:8] + struct.pack("<I", 2) + good[12:]]
    for content in damaged:
        with open(path, "wb") as file:
            file.write(content)
        with pytest.raises(RuntimeError, match="import_function"):
            mx.import_function(path)


def test_hostile_files_are_errors_or_harmless(path):
    """Change bytes and mend the check sum, so that only the checks of the content stand."""
    w = mx.random.normal((4, 4))

    def f(x):
        y = mx.as_strided(x @ w, (2, 2), (1, 2), 1)
        y = mx.pad(mx.softmax(y, axis=-1), 1)[1:4:2, ::-1]
        z = mx.take(y, mx.array([0, 1, 1]), axis=1)
        return mx.cumsum(mx.sort(z), axis=0), mx.argmax(z), mx.full((3,), 2.0), mx.arange(4)

    x = mx.ones((2, 4))
    mx.export_function(path, f, x)
    with open(path, "rb") as file:
        good = file.read()
    (header,) = struct.unpack("<Q", good[16:24])
    generator = np.random.default_rng(0)
    refused = 0
    rounds = int(os.environ.get("MLX_OXIDE_EXPORT_FUZZ", "3000"))
    for _ in range(rounds):
        content = bytearray(good[16:])
        for _ in range(generator.integers(1, 4)):
            position = int(generator.integers(8, 8 + header))
            content[position] = int(generator.integers(256))
        mended = good[:12] + struct.pack("<I", zlib.crc32(bytes(content))) + bytes(content)
        with open(path, "wb") as file:
            file.write(mended)
        try:
            out = mx.import_function(path)(x)
            if all(array.nbytes < 1 << 26 for array in out):
                mx.eval(out)
        except (ValueError, RuntimeError, IndexError, MemoryError):
            refused += 1
    assert 0 < refused <= rounds


def test_functions_that_cannot_be_written_are_refused(path):
    def loss(w):
        mx.export_function(path, lambda x: x * w, mx.array(1.0))
        return w

    with pytest.raises(ValueError, match="transform"):
        mx.grad(loss)(mx.array(1.0))
    with pytest.raises(ValueError, match="was read"):
        mx.export_function(path, lambda x: x.item(), mx.array(1.0))


def test_callback_sees_inputs_constants_and_operations():
    records = []
    mx.export_function(
        records.append,
        lambda x, y: mx.sin(x) * y + mx.array([5.0, 6.0]),
        mx.ones(2),
        y=mx.ones(2),
    )
    kinds = [record["type"] for record in records]
    assert kinds[:4] == ["inputs", "keyword_inputs", "outputs", "constants"]
    assert records[0]["inputs"] == [("A", (2,), mx.float32), ("B", (2,), mx.float32)]
    assert records[1]["keywords"] == [("y", "B")]
    assert [record["name"] for record in records[4:]] == ["sin", "multiply", "add"]
    known = {name for name, *_ in records[0]["inputs"]}
    known |= {name for name, _ in records[3]["constants"]}
    for record in records[4:]:
        assert {name for name, *_ in record["inputs"]} <= known
        known |= {name for name, *_ in record["outputs"]}
    assert records[2]["outputs"][0][0] in known


def test_dot(tmp_path):
    x, y = mx.array([1.0, 2.0]), mx.array([3.0, 4.0])
    buffer = io.StringIO()
    mx.export_to_dot(buffer, a=x + y, b=mx.sin(x))
    text = buffer.getvalue()
    assert text.startswith("digraph {") and text.rstrip().endswith("}")
    for part in ('"add"', '"sin"', '"a\\n', '"b\\n'):
        assert f"label={part}" in text
    assert text.count("->") == 5
    mx.export_to_dot(str(tmp_path / "graph.dot"), x + y)
    assert "add" in (tmp_path / "graph.dot").read_text()
