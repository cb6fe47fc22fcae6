"""Every layer against Apple's: parameters, printing, outputs, gradients, state, files."""

import mlx.core as apple
import mlx.nn as apple_nn
import numpy as np
import pytest
from oracle import assert_same, outcome, seed, to_oracle

import mlx_oxide.core as mx
import mlx_oxide.nn as nn
from mlx_oxide.utils import tree_flatten

CLOSE = {"rtol": 2e-5, "atol": 2e-6}


def normal(*shape):
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def indices(*shape, below=5):
    return np.random.default_rng(7).integers(0, below, shape).astype(np.int32)


SEQUENCE, IMAGE, VOLUME = normal(2, 6, 8), normal(2, 6, 4, 8), normal(1, 4, 6, 4, 8)

# What builds the layer, and its inputs.
LAYERS = [
    ("Identity(3, a=2)", [SEQUENCE]),
    ("Linear(8, 3)", [SEQUENCE]),
    ("Linear(8, 3, bias=False)", [SEQUENCE]),
    ("Linear(8, 3)", [normal(8)]),
    ("Bilinear(8, 6, 3)", [SEQUENCE, normal(2, 6, 6)]),
    ("Bilinear(8, 6, 3, bias=False)", [normal(8), normal(6)]),
    ("Embedding(5, 8)", [indices(2, 3)]),
    ("Conv1d(8, 4, 3)", [SEQUENCE]),
    ("Conv1d(8, 4, 3, 2, 1, 2, 2, bias=False)", [SEQUENCE]),
    ("Conv2d(8, 4, 3)", [IMAGE]),
    ("Conv2d(8, 4, (3, 2), (2, 1), (1, 0), (1, 2), 4)", [IMAGE]),
    ("Conv3d(8, 4, (1, 3, 2), stride=2, padding=1)", [VOLUME]),
    ("ConvTranspose1d(8, 4, 3, 2, 1, 1, 1)", [SEQUENCE]),
    ("ConvTranspose2d(8, 4, (3, 2), 2, (1, 0), output_padding=(1, 0))", [IMAGE]),
    ("ConvTranspose3d(8, 4, 2, stride=2, bias=False)", [VOLUME]),
    ("InstanceNorm(8)", [SEQUENCE]),
    ("InstanceNorm(8, affine=True)", [IMAGE]),
    ("LayerNorm(8)", [SEQUENCE]),
    ("LayerNorm(8, bias=False)", [SEQUENCE]),
    ("LayerNorm(8, affine=False)", [SEQUENCE]),
    ("RMSNorm(8)", [SEQUENCE]),
    ("GroupNorm(2, 8)", [IMAGE]),
    ("GroupNorm(4, 8, affine=False)", [normal(3, 8)]),
    ("GroupNorm(2, 8, pytorch_compatible=True)", [IMAGE]),
    ("BatchNorm(8)", [SEQUENCE]),
    ("BatchNorm(8, momentum=0.3, affine=False)", [IMAGE]),
    ("BatchNorm(8, track_running_stats=False)", [normal(3, 8)]),
    ("MaxPool1d(2)", [SEQUENCE]),
    ("MaxPool1d(3, 1, 1)", [SEQUENCE]),
    ("MaxPool2d(2)", [IMAGE]),
    ("MaxPool2d((3, 2), 2, (1, 0))", [IMAGE]),
    ("MaxPool2d(7)", [IMAGE]),
    ("MaxPool3d(2)", [VOLUME]),
    ("AvgPool1d(4, padding=1)", [SEQUENCE]),
    ("AvgPool2d(2)", [IMAGE]),
    ("AvgPool2d(3, stride=(1, 2), padding=1)", [IMAGE]),
    ("AvgPool3d((2, 3, 2), 1)", [VOLUME]),
    ("RoPE(8)", [SEQUENCE]),
    ("RoPE(6, traditional=True, base=500.0, scale=0.5)", [normal(2, 3, 6, 8)]),
    ("SinusoidalPositionalEncoding(8)", [normal(5)]),
    ("SinusoidalPositionalEncoding(2)", [normal(5)]),
    ("SinusoidalPositionalEncoding(8, 0.01, 2, 1, True, True)", [normal(5)]),
    ("ALiBi()", [normal(1, 8, 5, 6)]),
    ("ALiBi()", [normal(1, 6, 5, 6)]),
    ("RNN(8, 3)", [SEQUENCE]),
    ("RNN(8, 3, bias=False)", [SEQUENCE, normal(2, 3)]),
    ("GRU(8, 3)", [SEQUENCE]),
    ("GRU(8, 3)", [SEQUENCE, normal(2, 3)]),
    ("GRU(8, 3, bias=False)", [normal(6, 8)]),
    ("GRU(8, 3, bias=False)", [SEQUENCE, normal(2, 3)]),
    ("LSTM(8, 3)", [SEQUENCE]),
    ("LSTM(8, 3, bias=False)", [SEQUENCE, normal(2, 3), normal(2, 3)]),
    ("LSTM(8, 3)", [SEQUENCE, normal(2, 3)]),
    ("MultiHeadAttention(8, 2)", [SEQUENCE, normal(2, 4, 8), normal(2, 4, 8)]),
    ("MultiHeadAttention(8, 2, bias=True, value_dims=4, key_input_dims=5, value_output_dims=7)",
     [SEQUENCE, normal(2, 4, 5), normal(2, 4, 5), normal(6, 4)]),
    ("TransformerEncoderLayer(8, 2, dropout=0.3)", [SEQUENCE, None]),
    ("TransformerEncoderLayer(8, 2, norm_first=False)", [SEQUENCE, normal(6, 6)]),
    ("TransformerEncoder(2, 8, 2, 12)", [SEQUENCE, None]),
    ("TransformerEncoder(2, 8, 2, checkpoint=True)", [SEQUENCE, normal(6, 6)]),
    ("TransformerDecoderLayer(8, 2, dropout=0.3)", [SEQUENCE, normal(2, 4, 8), None, None]),
    ("TransformerDecoderLayer(8, 2, norm_first=False)", [SEQUENCE, normal(2, 4, 8), None, None]),
    ("TransformerDecoder(2, 8, 2, checkpoint=True)", [SEQUENCE, normal(2, 4, 8), None, None]),
    ("Transformer(8, 2, 1, 2, dropout=0.1)", [SEQUENCE, normal(2, 4, 8), None, None, None]),
    ("Dropout(0.3)", [SEQUENCE]),
    ("Dropout(0.0)", [SEQUENCE]),
    ("Dropout2d(0.3)", [IMAGE]),
    ("Dropout2d(0.3)", [SEQUENCE]),
    ("Dropout3d(0.3)", [VOLUME]),
    ("Dropout3d(0.3)", [IMAGE]),
    ("PReLU(8, 0.1)", [SEQUENCE]),
    ("GELU('precise')", [SEQUENCE]),
    ("GELU('tanh')", [SEQUENCE]),
    ("GELU('fast')", [SEQUENCE]),
    ("GLU(1)", [SEQUENCE]),
    ("Step(0.5)", [SEQUENCE]),
    *[
        (f"{name}()", [SEQUENCE])
        for name in "CELU ELU GELU GLU HardShrink HardTanh Hardswish LeakyReLU LogSigmoid "
        "LogSoftmax Mish PReLU ReLU ReLU2 ReLU6 SELU SiLU Sigmoid Softmax Softmin Softplus "
        "Softshrink Softsign Step Tanh".split()
    ],
    *[
        (f"Upsample({scale}, {mode!r}, {corners})", [IMAGE])
        for scale in (2, 1.5, 0.5, (2, 3), (2.5, 0.75), 1, 0.25)
        for mode in ("nearest", "linear", "cubic")
        for corners in ((False, True) if mode != "nearest" else (False,))
        if not (corners and scale == 0.25)
    ],
    *[
        (f"Upsample({scale}, {mode!r}, antialias=True)", [IMAGE])
        for scale in (2, 0.5, 0.75, (1.5, 0.5))
        for mode in ("linear", "cubic")
    ],
    ("Upsample(3, 'linear', True)", [normal(1, 1, 2)]),
    ("Sequential(nn.Linear(8, 4), nn.relu, nn.BatchNorm(4), nn.Dropout(0.2))", [SEQUENCE]),
    ("AllToShardedLinear(8, 4)", [SEQUENCE]),
    ("ShardedToAllLinear(8, 4)", [SEQUENCE]),
    ("ShardedToAllLinear(8, 4, bias=False)", [SEQUENCE]),
    ("FullyShardedModule(nn.Linear(8, 4))", [SEQUENCE]),
]


def build(library, source):
    seed(11)
    return eval(source if source.startswith("nn.") else f"nn.{source}", {"nn": library})


def tensors(core, inputs):
    return [None if x is None else core.array(x) for x in inputs]


@pytest.fixture(params=LAYERS, ids=lambda case: case[0])
def case(request):
    source, inputs = request.param
    return build(nn, source), build(apple_nn, source), inputs


def test_parameters_are_the_same_bit_for_bit(case):
    ours, theirs, _ = case
    assert_same(ours.parameters(), theirs.parameters())
    assert_same(ours.trainable_parameters(), theirs.trainable_parameters())
    assert sorted(ours._no_grad) == sorted(theirs._no_grad)


def test_layer_prints_the_same(case):
    ours, theirs, _ = case
    if "nonlinearity" in repr(ours):  # shows the address of a function
        assert repr(ours).split("<")[0] == repr(theirs).split("<")[0]
    else:
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("training", [True, False])
def test_outputs_are_the_same(case, training):
    ours, theirs, inputs = case
    ours.train(training), theirs.train(training)
    for _ in range(2):
        seed(5)
        y = ours(*tensors(mx, inputs))
        seed(5)
        expected = theirs(*tensors(apple, inputs))
        assert_same(y, expected, **CLOSE)
    assert_same(ours.parameters(), theirs.parameters(), **CLOSE)


def gradients(core, library, layer, inputs):
    places = [i for i, x in enumerate(inputs) if x is not None and x.dtype == np.float32]
    arrays = tensors(core, inputs)

    def loss(parameters, *floating):
        layer.update(parameters)
        full = list(arrays)
        for place, x in zip(places, floating):
            full[place] = x
        outputs = layer(*full)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum((core.sin(y.astype(core.float32)) * (i + 1)).sum() for i, y in enumerate(outputs))

    seed(5)
    which = list(range(1, 1 + len(places)))
    if tree_flatten(layer.trainable_parameters()):
        which = [0, *which]
    if not which:
        return None
    return core.grad(loss, argnums=which)(
        layer.trainable_parameters(), *[arrays[place] for place in places]
    )


def test_gradients_are_the_same(case):
    ours, theirs, inputs = case
    assert_same(
        gradients(mx, nn, ours, inputs),
        gradients(apple, apple_nn, theirs, inputs),
        rtol=2e-4,
        atol=2e-5,
    )


@pytest.mark.parametrize("extension", ["npz", "safetensors"])
def test_weights_go_through_files_both_ways(case, extension, tmp_path):
    ours, theirs, _ = case
    if not tree_flatten(ours.parameters()):
        assert outcome(lambda: ours.load_weights([])) is ours
        return
    changed = [(path, p + 1) for path, p in tree_flatten(ours.parameters())]
    ours.load_weights(changed)
    ours.save_weights(tmp_path / f"ours.{extension}")
    theirs.load_weights(str(tmp_path / f"ours.{extension}"))
    assert_same(ours.parameters(), theirs.parameters())
    theirs.update(to_oracle(mx_half(ours.parameters())))
    theirs.save_weights(str(tmp_path / f"theirs.{extension}"))
    ours.load_weights(str(tmp_path / f"theirs.{extension}"))
    assert_same(ours.parameters(), theirs.parameters())


def mx_half(tree):
    from mlx_oxide.utils import tree_map

    return tree_map(lambda p: p * 0.5, tree)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("source, inputs", LAYERS, ids=[source for source, _ in LAYERS])
def test_half_precision_keeps_the_dtypes_of_mlx(source, inputs, dtype):
    ours, theirs = build(nn, source), build(apple_nn, source)
    ours.set_dtype(getattr(mx, dtype)), theirs.set_dtype(getattr(apple, dtype))

    def half(core):
        return [
            None if x is None else core.array(x).astype(getattr(core, dtype))
            if x.dtype == np.float32 else core.array(x)
            for x in inputs
        ]

    seed(5)
    y = ours(*half(mx))
    seed(5)
    assert_same(y, theirs(*half(apple)), rtol=2e-2, atol=2e-2)


def test_every_public_layer_of_mlx_exists():
    public = {name for name in vars(apple_nn) if not name.startswith("_")}
    assert public <= set(vars(nn))


@pytest.mark.parametrize("offset", [0, 3])
def test_rope_and_alibi_take_offsets(offset):
    x = normal(1, 4, 5, 6)
    assert_same(
        nn.RoPE(6)(mx.array(x), offset=offset),
        apple_nn.RoPE(6)(apple.array(x), offset=offset),
        **CLOSE,
    )
    mask = normal(5, 6)
    assert_same(
        nn.ALiBi()(mx.array(x), offset, mx.array(mask)),
        apple_nn.ALiBi()(apple.array(x), offset, apple.array(mask)),
        **CLOSE,
    )


@pytest.mark.parametrize("heads", [1, 2, 3, 5, 6, 8, 12, 16])
def test_alibi_tables_are_the_same(heads):
    for dtype in ("float32", "float16"):
        assert_same(
            nn.ALiBi.create_alibi_slope(heads, getattr(mx, dtype)),
            apple_nn.ALiBi.create_alibi_slope(heads, getattr(apple, dtype)),
            rtol=1e-6,
        )
    assert_same(
        nn.ALiBi.create_alibi_matrix(5, 6, heads, 2),
        apple_nn.ALiBi.create_alibi_matrix(5, 6, heads, 2),
        rtol=1e-6,
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_causal_masks_are_the_same(dtype):
    assert_same(
        nn.MultiHeadAttention.create_additive_causal_mask(4, getattr(mx, dtype)),
        apple_nn.MultiHeadAttention.create_additive_causal_mask(4, getattr(apple, dtype)),
    )


def test_embedding_serves_as_linear():
    ours, theirs = build(nn, "Embedding(5, 8)"), build(apple_nn, "Embedding(5, 8)")
    assert_same(
        ours.as_linear(mx.array(SEQUENCE)), theirs.as_linear(apple.array(SEQUENCE)), **CLOSE
    )


def test_the_gradient_of_a_padded_transposed_convolution_has_its_input_s_shape():
    # Apple's is one shorter along the second axis of the image
    layer = nn.ConvTranspose2d(8, 4, (3, 2), 2, (1, 0), output_padding=1)
    x = mx.random.normal((1, 5, 6, 8))
    assert mx.grad(lambda x: mx.square(layer(x)).sum())(x).shape == x.shape


@pytest.mark.parametrize("dtype", ["int32", "float32", "float16", "bfloat16"])
def test_running_statistics_of_every_dtype_are_those_of_mlx(dtype):
    x = indices(3, 5, 8, below=7)
    ours, theirs = nn.BatchNorm(8), apple_nn.BatchNorm(8)
    ours(mx.array(x).astype(getattr(mx, dtype)))
    theirs(apple.array(x).astype(getattr(apple, dtype)))
    # those of 16-bit floats are rounded in other places
    close = {"rtol": 1e-2} if dtype.endswith("16") else CLOSE
    for name in ("running_mean", "running_var"):
        assert_same(ours[name], theirs[name], **close)
