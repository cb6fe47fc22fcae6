"""Packed matrices: the bits of Apple's MLX, its products, its layers and its checkpoints."""

import mlx.core as apple
import mlx.nn as apple_nn
import numpy as np
import pytest
from oracle import from_oracle, numpy_of, to_oracle
from mlx.utils import tree_flatten as apple_flatten

import mlx_oxide.core as mx
import mlx_oxide.nn as nn
from mlx_oxide.utils import tree_flatten

PACKINGS = [("affine", group, bits) for group in (32, 64, 128) for bits in (1, 2, 3, 4, 5, 6, 8)]
PACKINGS += [("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)]
FLOATS = ["float32", "float16", "bfloat16"]
# Products of rounded factors, by what their sums are rounded to.
TOLERANCE = {"float32": 2e-5, "float16": 5e-3, "bfloat16": 4e-2}


def packing_id(packing):
    return "-".join(map(str, packing))


def numbers(shape, dtype="float32", seed=0):
    """The same numbers for both libraries."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return [core.array(values).astype(getattr(core, dtype)) for core in (mx, apple)]


def bits_of(array):
    if str(array.dtype).endswith("bfloat16"):
        core = apple if isinstance(array, apple.array) else mx
        array = array.view(core.uint16)
    return np.array(array)


def same_bits(ours, theirs):
    assert str(ours.dtype).rsplit(".", 1)[-1] == str(theirs.dtype).rsplit(".", 1)[-1]
    np.testing.assert_array_equal(bits_of(ours), bits_of(theirs))


def close(ours, theirs, dtype):
    assert str(ours.dtype).rsplit(".", 1)[-1] == str(theirs.dtype).rsplit(".", 1)[-1]
    expected = numpy_of(theirs)
    limit = TOLERANCE[dtype] * max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(numpy_of(ours), expected, rtol=TOLERANCE[dtype], atol=limit)


def options(packing):
    mode, group, bits = packing
    return {"group_size": group, "bits": bits, "mode": mode}


def pack(packing, shape, dtype="float32", seed=0):
    """Pack a matrix with Apple's MLX; return its parts for both libraries."""
    theirs = apple.quantize(numbers(shape, dtype, seed)[1], **options(packing))
    return from_oracle(list(theirs)), list(theirs)


@pytest.mark.parametrize("packing", PACKINGS, ids=packing_id)
@pytest.mark.parametrize("dtype", FLOATS)
def test_packed_bits_are_the_same(packing, dtype):
    for shape in ((16, 256), (2, 3, 128)):
        ours, theirs = numbers(shape, dtype)
        own, other = mx.quantize(ours, **options(packing)), apple.quantize(theirs, **options(packing))
        assert len(own) == len(other)
        for part, expected in zip(own, other, strict=True):
            same_bits(part, expected)


SPECIAL = {
    "zeros": np.zeros((1, 128)),
    "equal": np.full((1, 128), 0.7),
    "negative": -np.abs(np.random.default_rng(1).standard_normal((1, 128))),
    "positive": np.abs(np.random.default_rng(2).standard_normal((1, 128))),
    "one large": np.eye(1, 128, 5) * 1e4,
    "tiny": np.random.default_rng(3).standard_normal((1, 128)) * 1e-9,
    "wide": np.random.default_rng(4).standard_normal((1, 128)) * np.logspace(-6, 4, 128),
    "steps": np.linspace(-6, 6, 128)[None],
}


@pytest.mark.parametrize("packing", PACKINGS, ids=packing_id)
@pytest.mark.parametrize("case", SPECIAL)
def test_packed_bits_of_special_rows_are_the_same(packing, case):
    values = SPECIAL[case].astype(np.float32)
    own = mx.quantize(mx.array(values), **options(packing))
    other = apple.quantize(apple.array(values), **options(packing))
    for part, expected in zip(own, other, strict=True):
        same_bits(part, expected)


@pytest.mark.parametrize("packing", PACKINGS, ids=packing_id)
@pytest.mark.parametrize("dtype", FLOATS)
def test_unpacked_numbers_are_the_same(packing, dtype):
    own, other = pack(packing, (4, 256), dtype)
    for wanted in (None, "float32", "float16", "bfloat16"):
        ours = mx.dequantize(*own, **options(packing), dtype=wanted and getattr(mx, wanted))
        theirs = apple.dequantize(*other, **options(packing), dtype=wanted and getattr(apple, wanted))
        close(ours, theirs, wanted or ("bfloat16" if packing[0] != "affine" else dtype))
        if packing[0] != "affine":
            same_bits(ours, theirs)


@pytest.mark.parametrize("packing", PACKINGS, ids=packing_id)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("transpose", [True, False])
def test_products_are_the_same(packing, dtype, transpose):
    own, other = pack(packing, (256, 128), dtype)
    inner = 128 if transpose else 256
    for shape in ((1, inner), (7, inner), (40, inner), (2, 3, inner), (inner,)):
        ours, theirs = numbers(shape, dtype, 1)
        call = {"transpose": transpose, **options(packing)}
        close(mx.quantized_matmul(ours, *own, **call), apple.quantized_matmul(theirs, *other, **call), dtype)


@pytest.mark.parametrize("packing", PACKINGS, ids=packing_id)
def test_products_of_stacks_are_the_same(packing):
    own, other = pack(packing, (3, 64, 128))
    for shape in ((3, 5, 128), (2, 3, 5, 128), (1, 5, 128)):
        ours, theirs = numbers(shape, seed=1)
        call = options(packing)
        close(mx.quantized_matmul(ours, *own, **call), apple.quantized_matmul(theirs, *other, **call), "float32")


PICKS = {
    "neither": (None, None),
    "left": ([0, 1, 1, 0], None),
    "right": (None, [2, 0]),
    "both": ([0, 1, 1], [2, 0, 3]),
    "a table": ([[0], [1]], [[0, 1, 3]]),
    "in order": ([0, 0, 1], [0, 2, 2]),
}


@pytest.mark.parametrize("packing", PACKINGS, ids=packing_id)
@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("transpose", [True, False])
def test_gathered_products_are_the_same(packing, pick, transpose):
    own, other = pack(packing, (4, 128, 128))
    left, right = PICKS[pick]
    # what is not picked is taken in order, and the indices of both sides must broadcast
    count = 4 if pick == "neither" else 2
    for rows in (1, 6):
        ours, theirs = numbers((count, rows, 128), seed=1)
        results = []
        for core, x, parts in ((mx, ours, own), (apple, theirs, other)):
            indices = {
                name: core.array(values, dtype=core.uint32)
                for name, values in (("lhs_indices", left), ("rhs_indices", right))
                if values is not None
            }
            call = {**indices, "transpose": transpose, "sorted_indices": pick == "in order", **options(packing)}
            results.append(core.gather_qmm(x, *parts, **call))
        close(*results, "float32")


@pytest.mark.parametrize("packing", PACKINGS[-3:], ids=packing_id)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("packed", [True, False])
def test_products_of_two_quantized_matrices(packing, dtype, packed):
    own, other = pack(packing, (64, 128), dtype)
    weight = numbers((64, 128), dtype)[0]
    for shape in ((1, 128), (6, 128), (2, 3, 128), (128,)):
        ours, theirs = numbers(shape, dtype, 1)
        product = mx.qqmm(ours, *(own if packed else [weight]), **options(packing))
        # Apple's CPU has this product for one row only, and sums in the dtype of the operands
        rows = theirs.reshape(-1, 128)
        x = apple.dequantize(*apple.quantize(rows, **options(packing)), **options(packing), dtype=apple.float32)
        w = apple.dequantize(*other, **options(packing), dtype=apple.float32)
        close(product, (x @ w.T).astype(getattr(apple, dtype)).reshape(*shape[:-1], 64), dtype)
        if packed and dtype == "float32" and shape == (1, 128):
            close(product, apple.qqmm(theirs, *other, **options(packing)), dtype)


@pytest.mark.parametrize("packing", PACKINGS[-3:], ids=packing_id)
@pytest.mark.parametrize("packed", [True, False])
def test_gathered_products_of_two_quantized_matrices(packing, packed):
    own, _ = pack(packing, (4, 64, 128))
    weight = numbers((4, 64, 128))[0]
    x = numbers((2, 3, 128), seed=1)[0]
    left, right = [0, 1, 1], [2, 0, 3]
    indices = {
        "lhs_indices": mx.array(left, dtype=mx.uint32),
        "rhs_indices": mx.array(right, dtype=mx.uint32),
    }
    product = mx.gather_qqmm(x, *(own if packed else [weight]), **indices, **options(packing))
    expected = [mx.qqmm(x[i], *[part[j] for part in own], **options(packing)) for i, j in zip(left, right, strict=True)]
    np.testing.assert_allclose(np.array(product), np.array(mx.stack(expected)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("packed", [True, False])
def test_global_scales(packed):
    """Twice the numbers with twice the scale are twice the product."""
    packing = {"mode": "nvfp4", "group_size": 16, "bits": 4}
    x, w = numbers((3, 128))[0], numbers((64, 128), seed=1)[0]

    def product(factor):
        scales = {"global_scale_x": mx.abs(x).max() * factor, "global_scale_w": mx.abs(w).max()}
        second = [w]
        if packed:
            second = mx.quantize(w, **packing, global_scale=scales["global_scale_w"])
        return mx.qqmm(x * factor, *second, **packing, **scales)

    once, twice = product(1), product(2)
    np.testing.assert_allclose(np.array(twice), 2 * np.array(once), rtol=1e-6)
    exact = np.array(x) @ np.array(w).T
    assert np.abs(np.array(once) - exact).mean() < 0.15 * np.abs(exact).mean()
    with pytest.raises(ValueError, match="global_scale"):
        mx.qqmm(x, w, **packing, global_scale_x=mx.array(1.0))


ERRORS = {
    "one axis": lambda core, w: core.quantize(w[0]),
    "rows that do not divide": lambda core, w: core.quantize(w[:, :100]),
    "an integer matrix": lambda core, w: core.quantize(w.astype(core.int32)),
    "a group size of no mode": lambda core, w: core.quantize(w, group_size=48),
    "seven bits": lambda core, w: core.quantize(w, bits=7),
    "no bits": lambda core, w: core.quantize(w, bits=0),
    "an unknown mode": lambda core, w: core.quantize(w, mode="fp5"),
    "mxfp4 of groups of 64": lambda core, w: core.quantize(w, group_size=64, mode="mxfp4"),
    "nvfp4 of 8 bits": lambda core, w: core.quantize(w, bits=8, mode="nvfp4"),
    "words of another dtype": lambda core, w: core.dequantize(w, w, w),
    "no biases": lambda core, w: core.dequantize(*core.quantize(w)[:2]),
    "biases in mxfp4": lambda core, w: core.dequantize(*core.quantize(w), mode="mxfp4", group_size=32),
    "scales of other groups": lambda core, w: core.dequantize(*core.quantize(w, group_size=32), group_size=64),
    "an inner size that differs": lambda core, w: core.quantized_matmul(w[:, :64], *core.quantize(w)),
    "words of one axis": lambda core, w: core.quantized_matmul(w, *[part[0] for part in core.quantize(w)]),
    "indices that are no integers": lambda core, w: core.gather_qmm(w[None], *[p[None] for p in core.quantize(w)], lhs_indices=w),
    "a packed operand without scales": lambda core, w: core.qqmm(w, core.quantize(w, mode="nvfp4")[0]),
    "a result of integers": lambda core, w: core.dequantize(*core.quantize(w), dtype=core.int32),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_of_the_same_class(case):
    ours, theirs = numbers((128, 128))
    with pytest.raises((ValueError, RuntimeError, TypeError)) as expected:
        apple.eval(ERRORS[case](apple, theirs))
    with pytest.raises(type(expected.value)):
        mx.eval(ERRORS[case](mx, ours))


@pytest.mark.parametrize("packing", PACKINGS, ids=packing_id)
def test_the_gradient_of_the_input(packing):
    own, other = pack(packing, (64, 128))
    ours, theirs = numbers((5, 128), seed=1)
    gradients = [
        core.grad(lambda x, core=core, parts=parts: (core.quantized_matmul(x, *parts, **options(packing)) ** 2).sum())(x)
        for core, x, parts in ((mx, ours, own), (apple, theirs, other))
    ]
    close(*gradients, "float32")


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_gradients_of_scales_and_biases(bits):
    own, other = pack(("affine", 64, bits), (64, 128))
    ours, theirs = numbers((5, 128), seed=1)

    def loss(core, x, words):
        return lambda scales, biases: (core.quantized_matmul(x, words, scales, biases, bits=bits) ** 2).sum()

    own_gradients = mx.grad(loss(mx, ours, own[0]), argnums=(0, 1))(*own[1:])
    other_gradients = apple.grad(loss(apple, theirs, other[0]), argnums=(0, 1))(*other[1:])
    for gradient, expected in zip(own_gradients, other_gradients, strict=True):
        close(gradient, expected, "float32")


# Layers


def models():
    """The same model in both libraries."""
    made = []
    for library in (nn, apple_nn):
        made.append(
            library.Sequential(
                library.Embedding(20, 128), library.Linear(128, 64), library.ReLU(), library.Linear(64, 128, bias=False)
            )
        )
    made[0].load_weights(tree_flatten(from_oracle(made[1].parameters())))
    return made


def parameters_match(ours, theirs):
    own, other = dict(tree_flatten(ours.parameters())), dict(apple_flatten(theirs.parameters()))
    assert sorted(own) == sorted(other)
    for path, array in own.items():
        same_bits(array, other[path])


MODES = [{}, {"bits": 8}, {"group_size": 32, "bits": 2}, {"mode": "mxfp4"}, {"mode": "mxfp8"}, {"mode": "nvfp4"}]


@pytest.mark.parametrize("arguments", MODES, ids=str)
def test_models_are_quantized_alike(arguments):
    ours, theirs = models()
    nn.quantize(ours, **arguments)
    apple_nn.quantize(theirs, **arguments)
    assert [type(layer).__name__ for layer in ours.layers] == [type(layer).__name__ for layer in theirs.layers]
    parameters_match(ours, theirs)
    assert repr(ours) == repr(theirs)
    assert sorted(dict(tree_flatten(ours.trainable_parameters()))) == sorted(dict(apple_flatten(theirs.trainable_parameters())))
    tokens = [[1, 2, 19], [0, 7, 7]]
    # without biases rows of tables are bfloat16, and so are the products of these
    dtype = "float32" if "mode" not in arguments else "bfloat16"
    own, other = ours(mx.array(tokens)), theirs(apple.array(tokens))
    assert str(own.dtype).rsplit(".", 1)[-1] == str(other.dtype).rsplit(".", 1)[-1]
    limit = TOLERANCE[dtype] * float(np.abs(numpy_of(other)).max())
    np.testing.assert_allclose(numpy_of(own), numpy_of(other), rtol=TOLERANCE[dtype], atol=limit)
    x_ours, x_theirs = numbers((3, 128))
    close(ours.layers[0].as_linear(x_ours), theirs.layers[0].as_linear(x_theirs), "float32")


def test_a_predicate_picks_layers_and_their_packing():
    def pick(path, layer):
        if path.endswith("1"):
            return {"group_size": 32, "bits": 8}
        return path.endswith("0")

    ours, theirs = models()
    nn.quantize(ours, class_predicate=pick)
    apple_nn.quantize(theirs, class_predicate=pick)
    assert [type(layer).__name__ for layer in ours.layers] == [type(layer).__name__ for layer in theirs.layers]
    parameters_match(ours, theirs)


@pytest.mark.parametrize("form", ["safetensors", "npz"])
@pytest.mark.parametrize("arguments", MODES, ids=str)
def test_checkpoints_cross_in_both_directions(tmp_path, form, arguments):
    path = str(tmp_path / f"model.{form}")
    ours, theirs = models()
    nn.quantize(ours, **arguments)
    apple_nn.quantize(theirs, **arguments)
    if form == "npz" and any(a.dtype == mx.bfloat16 for _, a in tree_flatten(ours.parameters())):
        pytest.skip("a dtype that NumPy's format has no name for")
    for source, library, target in ((ours, apple_nn, models()[1]), (theirs, nn, models()[0])):
        source.save_weights(path)
        library.quantize(target, **arguments)
        target.update(target.parameters())
        target.load_weights(path)
        pair = (source, target) if library is apple_nn else (target, source)
        parameters_match(*pair)


@pytest.mark.parametrize("mode", ["nvfp4", "mxfp8"])
def test_layers_that_quantize_their_inputs(mode):
    ours = nn.QQLinear(128, 64, mode=mode)
    theirs = apple_nn.QQLinear(128, 64, mode=mode)
    ours.update(from_oracle(theirs.parameters()))
    parameters_match(ours, theirs)
    assert repr(ours) == repr(theirs)
    x_ours, x_theirs = numbers((3, 128))
    # Apple's product has no kernel for CPUs
    rounded, weight = (
        apple.dequantize(*apple.quantize(array, mode=mode), mode=mode, dtype=apple.float32)
        for array in (x_theirs, theirs.weight)
    )
    for training in (True, False, True):
        ours.train(training)
        theirs.train(training)
        parameters_match(ours, theirs)
        close(ours(x_ours), rounded @ weight.T, "float32")


def test_a_quantized_linear_layer_keeps_what_a_linear_one_computes():
    linear = nn.Linear(256, 32)
    quantized = nn.QuantizedLinear.from_linear(linear, 32, 8)
    x = mx.random.normal((4, 256))
    np.testing.assert_allclose(np.array(quantized(x)), np.array(linear(x)), atol=0.05)
    theirs = apple_nn.Linear(256, 32)
    theirs.update(to_oracle(linear.parameters()))
    theirs = apple_nn.QuantizedLinear.from_linear(theirs, 32, 8)
    parameters_match(quantized, theirs)
