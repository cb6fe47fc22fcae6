"""Memory shared with other libraries: buffers, DLPack, NumPy, and pickles."""

import gc
import pickle
import sys

import ml_dtypes
import mlx.core as apple
import numpy as np
import pytest

import mlx_oxide.core as mx

DTYPES = """bool_ uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64
complex64""".split()


needs_buffers = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the stable ABI has the buffer protocol from Python 3.11 on"
)


def sample(core, dtype):
    with core.stream(core.cpu):
        return core.arange(6).reshape(2, 3).astype(getattr(core, dtype))


@needs_buffers
@pytest.mark.parametrize("dtype", DTYPES)
def test_views_are_described_as_mlx_describes_them(dtype):
    ours, theirs = memoryview(sample(mx, dtype)), memoryview(sample(apple, dtype))
    for name in ("format", "itemsize", "nbytes", "shape", "strides", "ndim", "readonly", "c_contiguous"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert bytes(sample(mx, dtype)) == bytes(sample(apple, dtype))


@needs_buffers
def test_views_follow_strides_and_keep_memory_alive():
    x = mx.arange(6).reshape(2, 3)
    view = memoryview(x.T)
    assert view.shape == (3, 2) and view.strides == (4, 12) and view.f_contiguous
    assert view.tolist() == [[0, 3], [1, 4], [2, 5]]
    view = memoryview(mx.full((1000,), 7.0))
    gc.collect()
    assert view[999] == 7.0
    assert memoryview(mx.array(3.0)).shape == () and memoryview(mx.zeros((0, 3))).nbytes == 0
    assert memoryview(mx.arange(8)[::-2]).tolist() == [7, 5, 3, 1]


@needs_buffers
def test_consumers_of_plain_bytes_get_row_major_order(tmp_path):
    x = mx.arange(6).reshape(2, 3).T
    with (tmp_path / "raw").open("wb") as file:
        file.write(x)
    assert (tmp_path / "raw").read_bytes() == np.arange(6, dtype=np.int32).reshape(2, 3).T.tobytes()
    assert memoryview(x).tobytes() == bytes(x)
    with (tmp_path / "raw").open("rb") as file, pytest.raises((BufferError, TypeError)):
        file.readinto(x)  # would fill a copy


@needs_buffers
def test_bfloat16_has_no_code_but_numpy_reads_it():
    x = mx.array([1.5, 2.5], mx.bfloat16)
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(x)
    assert np.asarray(x).dtype == ml_dtypes.bfloat16 and np.asarray(x).tolist() == [1.5, 2.5]
    back = mx.array(np.array([1.5, 2.5], ml_dtypes.bfloat16))
    assert back.dtype == mx.bfloat16 and back.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_shares_memory_and_copies_if_asked(dtype):
    x = sample(mx, dtype)
    mx.eval(x)
    shared = np.asarray(x)
    assert np.shares_memory(shared, np.asarray(x)) and np.shares_memory(shared, np.from_dlpack(x))
    assert not np.shares_memory(shared, np.array(x))
    lent, copied = np.from_dlpack(x), np.from_dlpack(x, copy=True)
    assert not lent.flags.writeable and copied.flags.writeable
    assert not np.shares_memory(lent, copied)
    np.testing.assert_array_equal(shared, copied)
    back = mx.from_dlpack(np.array(shared))
    assert back.tolist() == x.tolist()


def test_arrays_do_not_see_what_their_source_becomes():
    source = np.zeros((3,), np.float32)
    taken = [mx.array(source), mx.asarray(source), mx.from_dlpack(source), mx.array(memoryview(source))]
    source[:] = 5
    assert all(array.tolist() == [0.0, 0.0, 0.0] for array in taken)


@needs_buffers
def test_lent_memory_is_counted_until_it_is_given_back():
    gc.collect()
    before = mx.get_active_memory()
    x = mx.ones((256, 256)) * 2
    mx.eval(x)
    lent = [memoryview(x), np.from_dlpack(x), np.asarray(x), x.__dlpack__()]
    del x
    gc.collect()
    assert mx.get_active_memory() - before >= 256 * 256 * 4
    del lent
    gc.collect()
    assert mx.get_active_memory() == before


def test_dlpack_says_where_memory_is_and_refuses_other_devices():
    x = mx.ones((2,))
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(TypeError):
        mx.from_dlpack(3)


def test_torch_shares_memory_both_ways_of_layout():
    torch = pytest.importorskip("torch")
    x = mx.arange(6, dtype=mx.float32).reshape(2, 3)
    mx.eval(x)
    tensor = torch.from_dlpack(x)
    assert tensor.data_ptr() == np.asarray(x).ctypes.data
    assert torch.from_dlpack(x.T).stride() == (1, 3)
    for dtype in ("bfloat16", "float16", "int64", "uint8", "bool", "complex64"):
        values = torch.ones(2, 3).to(getattr(torch, dtype))
        assert str(mx.from_dlpack(values.T).dtype).endswith(dtype)
    with pytest.raises(BufferError):
        mx.array(torch.ones(2, requires_grad=True))


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_pickles_keep_dtype_shape_and_elements(dtype):
    x = sample(mx, dtype).T
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(x, protocol))
        assert back.dtype == x.dtype and back.shape == x.shape and back.tolist() == x.tolist()
    results = pickle.loads(pickle.dumps(mx.linalg.slogdet(mx.eye(2), stream=mx.cpu)))
    assert results.sign.item() == 1.0
