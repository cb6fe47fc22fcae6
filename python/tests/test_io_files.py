"""Files of every format: places they are read from and written to, and files that lie."""

import io
import mmap
import struct
import zipfile

import mlx.core as apple
import numpy as np
import pytest
from differential import ALL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import numpy_of

import mlx_oxide.core as mx

FORMATS = ["npy", "npz", "safetensors", "gguf"]


def save(core, file, form, array):
    if form == "npy":
        core.save(file, array)
    elif form == "npz":
        core.savez(file, a=array)
    elif form == "safetensors":
        core.save_safetensors(file, {"a": array})
    else:
        core.save_gguf(file, {"a": array}, {})


def load(core, file, form, **options):
    found = core.load(file, **options)
    return found if form == "npy" else found["a"]


def sample(core=mx):
    return core.arange(12).reshape(3, 4).astype(core.float32)


def contents(form):
    file = io.BytesIO()
    save(mx, file, form, sample())
    return file.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_every_kind_of_place(tmp_path, form):
    path = tmp_path / f"a.{form}"
    save(mx, path, form, sample())
    assert path.read_bytes() == contents(form)
    for place in (path, str(path)):
        assert mx.array_equal(load(mx, place, form), sample())
    with path.open("rb") as file:
        assert mx.array_equal(load(mx, file, form), sample())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mx.array_equal(load(mx, mapped, form, format=form), sample())
    assert mx.array_equal(load(mx, io.BytesIO(contents(form)), form, format=form), sample())
    with (tmp_path / f"b.{form}").open("wb") as file:
        save(mx, file, form, sample())
    assert (tmp_path / f"b.{form}").read_bytes() == contents(form)
    save(mx, str(tmp_path / "c"), form, sample())
    assert (tmp_path / f"c.{form}").read_bytes() == contents(form)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", ALL)
def test_files_cross_between_the_libraries(tmp_path, form, dtype):
    if form == "gguf" and dtype not in ("float16", "float32", "int8", "int16", "int32"):
        pytest.skip("a dtype that Apple's GGUF refuses")
    if form in ("npy", "npz") and dtype == "bfloat16":
        pytest.skip("a dtype that NumPy's format has no name for")
    if form == "safetensors" and dtype == "float64":
        pytest.skip("a dtype that Apple's safetensors refuses")
    path = str(tmp_path / f"a.{form}")
    for writer, reader in ((mx, apple), (apple, mx)):
        array = writer.array([[0, 1, 2], [3, 0, 5]]).astype(getattr(writer, dtype))
        save(writer, path, form, array)
        found = load(reader, path, form)
        assert str(found.dtype).rsplit(".", 1)[-1] == str(array.dtype).rsplit(".", 1)[-1]
        np.testing.assert_array_equal(numpy_of(found), numpy_of(array))


def test_what_numpy_writes_is_read(tmp_path):
    values = np.arange(12).reshape(3, 4)
    for array in (values.astype(">i4"), np.asfortranarray(values), values.astype(">f8"), values.astype(">c8"), values[::2, ::3]):
        np.save(tmp_path / "a.npy", array)
        found = mx.load(tmp_path / "a.npy")
        assert str(found.dtype).endswith(array.dtype.newbyteorder("=").name)
        np.testing.assert_array_equal(np.array(found), array)
    for array in (np.array(["text"]), np.zeros(2, dtype=[("a", "i4")]), np.array([1.0], dtype=np.longdouble)):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(RuntimeError, match="not supported"):
            mx.load(tmp_path / "a.npy")


def test_places_that_are_none(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for form in FORMATS:
        missing = str(tmp_path / f"missing.{form}")
        with pytest.raises((RuntimeError, ValueError)) as theirs:
            apple.load(missing)
        with pytest.raises(type(theirs.value), match="missing"):
            mx.load(missing)
        with pytest.raises(TypeError):
            mx.load(3, format=form)
        with (tmp_path / "a.txt").open() as file, pytest.raises(TypeError, match="binary"):
            mx.load(file, format=form)
        with pytest.raises(OSError, match="nowhere"):
            save(mx, str(tmp_path / "nowhere" / "a"), form, sample())
    with pytest.raises(ValueError, match="txt"):
        mx.load(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="infer"):
        mx.load(io.BytesIO(b""))
    for form in ("npy", "npz"):
        with pytest.raises(ValueError, match="metadata"):
            mx.load(io.BytesIO(contents(form)), format=form, return_metadata=True)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_changed_files_are_errors_or_arrays(form, data):
    whole = bytearray(contents(form))
    for _ in range(data.draw(st.integers(1, 3))):
        if not whole:
            break
        place = data.draw(st.integers(0, len(whole) - 1))
        action = data.draw(st.integers(0, 3))
        if action == 0:
            whole[place] = data.draw(st.integers(0, 255))
        elif action == 1:
            del whole[place:]
        elif action == 2:
            whole[place:place] = data.draw(st.binary(min_size=1, max_size=16))
        else:
            whole[place : place + 8] = data.draw(st.sampled_from([b"\xff" * 8, b"\0" * 7 + b"\x80", b"\0" * 8]))
    try:
        mx.eval(load(mx, io.BytesIO(bytes(whole)), form, format=form))
    except (RuntimeError, ValueError, KeyError):
        pass


def npy(header, data=b""):
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


HOSTILE_NPY = {
    "an absurd shape": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }"),
    "a shape that overflows": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
    "a negative size": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
    "no type": npy("{'descr': '', 'fortran_order': False, 'shape': (1,), }", b"1234"),
    "a type of one letter": npy("{'descr': 'é', 'fortran_order': False, 'shape': (1,), }", b"1234"),
    "an open shape": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,"),
    "no header": npy(""),
    "a header beyond the end": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
}


@pytest.mark.parametrize("case", HOSTILE_NPY)
def test_hostile_npy(case):
    with pytest.raises((RuntimeError, ValueError)):
        mx.load(io.BytesIO(HOSTILE_NPY[case]), format="npy")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", HOSTILE_NPY[case])
    with pytest.raises((RuntimeError, ValueError)):
        mx.load(io.BytesIO(archive.getvalue()), format="npz")


def test_archives_whose_entries_share_bytes():
    """A directory of many entries that all point at the same compressed zeros."""
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros(1 << 20, np.uint8))
    whole = file.getvalue()
    end = whole.rindex(b"PK\x05\x06")
    start = struct.unpack("<I", whole[end + 16 : end + 20])[0]
    entry, count = whole[start:end], 500
    entries = b"".join(entry.replace(b"a.npy", b"%05d" % number) for number in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    bomb = whole[:start] + entries + tail
    assert len(zipfile.ZipFile(io.BytesIO(bomb)).namelist()) == count
    mx.reset_peak_memory()
    with pytest.raises(RuntimeError):
        mx.load(io.BytesIO(bomb), format="npz")
    # what is read before the sum exceeds the archive: fewer entries than a tenth
    assert mx.get_peak_memory() < count / 5 * (1 << 20)


def test_archives_in_archives_are_not_opened():
    inner = contents("npz")
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npz", inner)
    with pytest.raises(RuntimeError, match="magic"):
        mx.load(io.BytesIO(outer.getvalue()), format="npz")


def test_a_wrong_checksum_is_an_error():
    whole = bytearray(contents("npz"))
    place = whole.index(np.float32(11).tobytes())
    whole[place] ^= 1
    with pytest.raises(RuntimeError):
        mx.load(io.BytesIO(bytes(whole)), format="npz")


def safetensors(header, data=b""):
    text = header.encode()
    return struct.pack("<Q", len(text)) + text + data


HOSTILE_SAFETENSORS = {
    "a header beyond the end": struct.pack("<Q", 1 << 62) + b"{}",
    "a huge header": struct.pack("<Q", 1 << 40),
    "sizes that overflow": safetensors('{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'),
    "offsets out of range": safetensors('{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', b"1234"),
    "offsets turned around": safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', b"1234"),
    "tensors that overlap": safetensors(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"1234"
    ),
    "bytes of nothing": safetensors("{}", b"1234"),
    "nested lists": safetensors("[" * 100_000),
    "a wrong size": safetensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', b"1234"),
}


@pytest.mark.parametrize("case", HOSTILE_SAFETENSORS)
def test_hostile_safetensors(case):
    with pytest.raises((RuntimeError, ValueError)):
        mx.load(io.BytesIO(HOSTILE_SAFETENSORS[case]), format="safetensors")


def text(value):
    return struct.pack("<Q", len(value)) + value


def gguf(tensors=0, entries=0, rest=b""):
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, entries) + rest


def tensor(sizes, kind=0, offset=0):
    return text(b"a") + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


HOSTILE_GGUF = {
    "no version": b"GGUF",
    "version 1": b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "tensors without end": gguf(tensors=2**64 - 1),
    "metadata without end": gguf(entries=2**64 - 1),
    "a text beyond the end": gguf(entries=1, rest=struct.pack("<Q", 2**63)),
    "a list of absurd length": gguf(entries=1, rest=text(b"k") + struct.pack("<IIQ", 9, 4, 2**62)),
    "texts of absurd number": gguf(entries=1, rest=text(b"k") + struct.pack("<IIQ", 9, 8, 2**62)),
    "lists in lists": gguf(entries=1, rest=text(b"k") + struct.pack("<IIQ", 9, 9, 1) * 10_000),
    "an unknown type of metadata": gguf(entries=1, rest=text(b"k") + struct.pack("<I", 77)),
    "a text that is none": gguf(entries=1, rest=text(b"k") + struct.pack("<I", 8) + text(b"\xff\xfe")),
    "sizes that overflow": gguf(1, rest=tensor([2**32, 2**32, 2**32]) + b"\0" * 64),
    "absurd sizes": gguf(1, rest=tensor([2**40]) + b"\0" * 64),
    "an offset out of range": gguf(1, rest=tensor([4], offset=2**64 - 8) + b"\0" * 64),
    "many axes": gguf(1, rest=tensor([1] * 200)),
    "an unknown type": gguf(1, rest=tensor([4], kind=1000) + b"\0" * 64),
    "half a block": gguf(1, rest=tensor([16], kind=2) + b"\0" * 64),
    "an alignment of zero": gguf(1, 1, text(b"general.alignment") + struct.pack("<II", 4, 0) + tensor([1]) + b"\0" * 64),
    "two tensors of one name": gguf(2, rest=tensor([1]) * 2 + b"\0" * 64),
}


@pytest.mark.parametrize("case", HOSTILE_GGUF)
def test_hostile_gguf(case):
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    with pytest.raises((RuntimeError, ValueError)):
        mx.load(io.BytesIO(HOSTILE_GGUF[case]), format="gguf")
    assert mx.get_peak_memory() - before < 1 << 20


def test_truth_values_of_other_bytes_are_true(tmp_path):
    file = npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", b"\x00\x02\xff")
    array = mx.load(io.BytesIO(file), format="npy")
    assert array.tolist() == [False, True, True]
    assert mx.sum(array).item() == 2


def test_loading_needs_no_second_copy(tmp_path):
    path = tmp_path / "a.safetensors"
    mx.save_safetensors(path, {"a": mx.zeros((1 << 22,)), "b": mx.ones((1 << 22,))})
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    arrays = mx.load(path)
    assert mx.get_peak_memory() - before < 1.1 * 2 * (1 << 24)
    assert mx.sum(arrays["b"]).item() == 1 << 22
