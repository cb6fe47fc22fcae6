"""GGUF: what Apple's MLX writes is read, what is written is read by it; blocks against the `gguf` package."""

import gguf
import mlx.core as apple
import numpy as np
import pytest
from oracle import numpy_of

import mlx_oxide.core as mx

Type = gguf.GGMLQuantizationType
SAVED_BY_BOTH = ["float16", "float32", "int8", "int16", "int32"]
METADATA = ["bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32"]


def same_bits(ours, theirs):
    assert str(ours.dtype).rsplit(".", 1)[-1] == str(theirs.dtype).rsplit(".", 1)[-1]
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert np.array(ours).tobytes() == np.array(theirs).tobytes()


def same_contents(ours, theirs):
    arrays, metadata = ours
    assert sorted(arrays) == sorted(theirs[0])
    assert sorted(metadata) == sorted(theirs[1])
    for name, array in arrays.items():
        same_bits(array, theirs[0][name])
    for key, value in metadata.items():
        if isinstance(value, mx.array):
            same_bits(value, theirs[1][key])
        else:
            assert value == theirs[1][key]


def contents(core):
    arrays = {
        "layer.weight": core.arange(24).reshape(2, 3, 4).astype(core.float32) / 7,
        "scalar": core.array(2.5),
        "half": core.array([1.5, -2.25], dtype=core.float16),
        **{f"of_{dtype}": core.array([[1, 2, 3]], dtype=getattr(core, dtype)) for dtype in SAVED_BY_BOTH},
    }
    metadata = {
        "text": "héllo",
        "empty": "",
        "texts": ["a", "", "ccc"],
        "none": [],
        **{f"number.{dtype}": core.array(1, dtype=getattr(core, dtype)) for dtype in METADATA},
        **{f"numbers.{dtype}": core.array([1, 0, 1], dtype=getattr(core, dtype)) for dtype in METADATA},
    }
    return arrays, metadata


@pytest.mark.parametrize("writer", ["ours", "apple"])
def test_files_are_read_alike(tmp_path, writer):
    core = mx if writer == "ours" else apple
    path = tmp_path / "a.gguf"
    core.save_gguf(path, *contents(core))
    ours = mx.load(path, return_metadata=True)
    same_contents(ours, apple.load(str(path), return_metadata=True))
    assert len(ours[0]) == 3 + len(SAVED_BY_BOTH)
    assert len(ours[1]) == 4 + 2 * len(METADATA)


def test_a_file_of_one_array_is_the_same_to_the_byte(tmp_path):
    for core, name in ((mx, "ours"), (apple, "theirs")):
        array = core.arange(6).astype(core.float32).reshape(2, 3)
        core.save_gguf(str(tmp_path / name), {"x": array}, {"k": ["a", "bc"]})
    assert (tmp_path / "ours.gguf").read_bytes() == (tmp_path / "theirs.gguf").read_bytes()


def write(path, name, raw, kind, metadata=lambda writer: None):
    writer = gguf.GGUFWriter(path, "test")
    metadata(writer)
    writer.add_tensor(name, raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# Where the scales of a block lie, and their format.
SCALES = {
    Type.Q4_0: [(0, "f2")],
    Type.Q4_1: [(0, "f2"), (2, "f2")],
    Type.Q5_0: [(0, "f2")],
    Type.Q5_1: [(0, "f2"), (2, "f2")],
    Type.Q8_0: [(0, "f2")],
    Type.Q2_K: [(80, "f2"), (82, "f2")],
    Type.Q3_K: [(108, "f2")],
    Type.Q4_K: [(0, "f2"), (2, "f2")],
    Type.Q5_K: [(0, "f2"), (2, "f2")],
    Type.Q6_K: [(208, "f2")],
    Type.IQ1_S: [(0, "f2")],
    Type.IQ1_M: [(48, "f2 in parts")],
    Type.IQ2_XXS: [(0, "f2")],
    Type.IQ2_XS: [(0, "f2")],
    Type.IQ2_S: [(0, "f2")],
    Type.IQ3_XXS: [(0, "f2")],
    Type.IQ3_S: [(0, "f2")],
    Type.IQ4_NL: [(0, "f2")],
    Type.IQ4_XS: [(0, "f2")],
    Type.TQ1_0: [(52, "f2")],
    Type.TQ2_0: [(64, "f2")],
    Type.MXFP4: [(0, "e8")],
    Type.NVFP4: [(place, "e4") for place in range(4)],
}
KEPT = {Type.Q4_0: 4, Type.Q4_1: 4, Type.Q8_0: 8}


def random_blocks(kind, shape):
    """Random bits with scales that keep the numbers in the range of `float16`."""
    generator = np.random.default_rng(int(kind))
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    *leading, columns = shape
    blocks = generator.integers(0, 256, (int(np.prod(leading)), columns // elements, size), dtype=np.uint8)
    for place, form in SCALES[kind]:
        count = blocks.shape[:2]
        if form == "f2":
            scale = (generator.standard_normal(count) / 64).astype(np.float16)
            blocks[..., place : place + 2] = scale[..., None].view(np.uint8)
        elif form == "f2 in parts":
            scale = (generator.standard_normal(count) / 64).astype(np.float16).view(np.uint16)
            for part in range(4):
                byte = place + 2 * part + 1
                blocks[..., byte] = blocks[..., byte] & 0xF | (scale >> (4 * part) & 0xF) << 4
        elif form == "e8":
            blocks[..., place] = generator.integers(112, 140, count)
        else:
            blocks[..., place] = generator.integers(0, 0x7E, count)
    return blocks.reshape(*leading, -1)


@pytest.mark.parametrize("kind", SCALES, ids=lambda kind: kind.name)
@pytest.mark.parametrize("shape", [(512,), (5, 256), (2, 3, 512)])
def test_blocks_have_the_numbers_of_the_format(tmp_path, kind, shape):
    raw = random_blocks(kind, shape)
    path = str(tmp_path / "a.gguf")
    write(path, "a.weight", raw, kind)
    arrays = mx.load(path)
    expected = gguf.dequantize(raw, kind)
    if kind in KEPT:
        assert sorted(arrays) == ["a.biases", "a.scales", "a.weight"]
        theirs = apple.load(path)
        for name, array in arrays.items():
            same_bits(array, theirs[name])
        if len(shape) == 1:
            return
        parts = [arrays[f"a.{part}"] for part in ("weight", "scales", "biases")]
        parts[1:] = [part.astype(mx.float32) for part in parts[1:]]
        numbers = np.array(mx.dequantize(*parts, group_size=32, bits=KEPT[kind]))
        np.testing.assert_allclose(numbers, expected, rtol=1e-5, atol=1e-5)
        return
    assert list(arrays) == ["a.weight"]
    assert arrays["a.weight"].dtype == mx.float16
    assert arrays["a.weight"].shape == shape
    numbers = np.array(arrays["a.weight"])
    assert np.isfinite(numbers).all()
    np.testing.assert_array_equal(numbers, expected.astype(np.float16))


@pytest.mark.parametrize("kind", [Type.Q2_K, Type.Q4_K, Type.Q6_K], ids=lambda kind: kind.name)
def test_blocks_that_apple_reads_are_the_same_to_the_bit(tmp_path, kind):
    path = str(tmp_path / "a.gguf")
    write(path, "a.weight", random_blocks(kind, (4, 512)), kind)
    ours, theirs = np.array(mx.load(path)["a.weight"]), np.array(apple.load(path)["a.weight"])
    if kind == Type.Q4_K:
        # Apple's has other numbers than the `gguf` package in the second of each two groups
        ours, theirs = (array.reshape(4, 8, 2, 32)[:, :, 0] for array in (ours, theirs))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["int64", "float64", "bfloat16"])
def test_dtypes_that_apple_refuses_survive_the_round_trip(tmp_path, dtype):
    array = mx.array([1, -3, 70000.0]).astype(getattr(mx, dtype))
    mx.save_gguf(tmp_path / "a.gguf", {"x": array}, {})
    found = mx.load(tmp_path / "a.gguf")["x"]
    assert found.dtype == array.dtype
    assert mx.array_equal(found, array)
    (tensor,) = gguf.GGUFReader(tmp_path / "a.gguf").tensors
    assert tensor.tensor_type.name == {"int64": "I64", "float64": "F64", "bfloat16": "BF16"}[dtype]


def test_metadata_of_the_package_are_read(tmp_path):
    def metadata(writer):
        writer.add_float64("double", 1.25)
        writer.add_uint64("long", 2**63 + 1)
        writer.add_array("doubles", [1.5, 2.5])
        writer.add_array("truths", [True, False])
        writer.add_custom_alignment(64)

    path = str(tmp_path / "a.gguf")
    write(path, "x", np.arange(6, dtype=np.float32).reshape(2, 3), Type.F32, metadata)
    arrays, found = mx.load(path, return_metadata=True)
    assert arrays["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["general.architecture"] == "test"
    assert (found["double"].dtype, found["double"].item()) == (mx.float64, 1.25)
    assert found["long"].item() == 2**63 + 1
    assert found["doubles"].tolist() == [1.5, 2.5]
    assert found["truths"].tolist() == [True, False]
    assert found["general.alignment"].item() == 64


def test_any_layout_is_saved(tmp_path):
    array = mx.arange(12).reshape(3, 4).astype(mx.float32)
    arrays = {"t": array.T, "s": array[::2, ::3], "b": mx.broadcast_to(array[0], (2, 4)), "e": mx.zeros((0, 3))}
    mx.save_gguf(tmp_path / "a.gguf", arrays)
    for name, found in apple.load(str(tmp_path / "a.gguf")).items():
        np.testing.assert_array_equal(np.array(found), np.array(arrays[name]))


REFUSED = {
    "bool": lambda core: ({"x": core.array([True])}, {}),
    "uint32": lambda core: ({"x": core.array([1], dtype=core.uint32)}, {}),
    "complex64": lambda core: ({"x": core.array([1j])}, {}),
    "metadata of float16": lambda core: ({}, {"k": core.array(1, dtype=core.float16)}),
    "metadata of two axes": lambda core: ({}, {"k": core.zeros((2, 2))}),
    "metadata that are nothing": lambda core: ({}, {"k": None}),
    "metadata that are bytes": lambda core: ({}, {"k": object()}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_format_lacks_is_an_error_and_leaves_an_older_file(tmp_path, case):
    with pytest.raises((RuntimeError, ValueError)):
        apple.save_gguf(str(tmp_path / "b.gguf"), *REFUSED[case](apple))
    path = tmp_path / "a.gguf"
    path.write_bytes(b"older")
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        mx.save_gguf(path, *REFUSED[case](mx))
    assert path.read_bytes() == b"older"


def test_a_product_with_loaded_weights(tmp_path):
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((64, 128)).astype(np.float32)
    path = str(tmp_path / "a.gguf")
    write(path, "a.weight", gguf.quantize(weight, Type.Q8_0), Type.Q8_0)
    arrays = mx.load(path)
    x = mx.array(generator.standard_normal((3, 128)).astype(np.float16))
    parts = [arrays[f"a.{part}"] for part in ("weight", "scales", "biases")]
    product = mx.quantized_matmul(x, *parts, group_size=32, bits=8)
    np.testing.assert_allclose(numpy_of(product), np.array(x) @ weight.T, rtol=0.05, atol=0.5)
