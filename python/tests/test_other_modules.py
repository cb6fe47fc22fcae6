"""What the sweeps leave out: groups of one process, captures, categories, contexts, iterators."""

import mlx.core as apple
import pytest
from differential import outcome, same

import mlx_oxide.core as mx


@pytest.mark.parametrize("name", ["all_sum", "all_max", "all_min", "all_gather", "sum_scatter"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "bool_"])
def test_collectives_in_a_group_of_one_give_the_array(name, dtype):
    same(lambda core, a: getattr(core.distributed, name)(a), ([[1, 0, 2]], dtype), note=name)


def test_a_group_of_one_has_a_rank_and_a_size():
    group = mx.distributed.init()
    assert isinstance(group, mx.distributed.Group)
    assert (group.rank(), group.size()) == (0, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda core: core.distributed.send(core.ones((2,)), 1),
        lambda core: core.distributed.recv((2,), core.float32, 1),
        lambda core: core.distributed.recv_like(core.ones((2,)), 1),
    ],
    ids=["send", "recv", "recv_like"],
)
def test_a_group_of_one_has_no_partners(call):
    theirs = outcome(apple, call, [])
    assert isinstance(theirs, ValueError)
    assert isinstance(outcome(mx, call, []), ValueError)


def test_captures_need_the_hardware():
    # docs/differences.md: what only particular hardware runs
    for call in (lambda: mx.metal.start_capture("trace"), mx.metal.stop_capture):
        with pytest.raises(RuntimeError, match="Metal"):
            call()


CATEGORIES = ["complexfloating", "floating", "inexact", "signedinteger", "unsignedinteger", "integer", "number", "generic"]


@pytest.mark.parametrize("part", [*CATEGORIES, "uint8", "int64", "bfloat16", "complex64", "bool_"])
def test_categories_hold_the_same_dtypes(part):
    for whole in CATEGORIES:
        same(lambda core, whole=whole: core.issubdtype(getattr(core, part), getattr(core, whole)), note=f"{part} {whole}")


def test_devices_equal_their_kinds():
    for core in (mx, apple):
        assert core.Device(core.cpu, 0) == core.cpu
        assert core.cpu == core.Device(core.cpu)
        assert core.Device(core.cpu) != core.gpu
        assert core.Device(core.gpu, 1) != core.gpu
        assert hash(core.Device(core.cpu)) is not None
        assert repr(core.cpu) == "DeviceType.cpu"
        assert repr(core.floating) == repr(apple.floating)


def test_a_stream_context_ends_with_its_block():
    outer = mx.default_device()
    context = mx.stream(mx.cpu)
    context.__enter__()
    assert mx.default_device() == mx.cpu
    context.__exit__(None, None, None)
    assert mx.default_device() == outer


def test_iterators_give_one_slice_after_the_other():
    iterator = iter(mx.array([[1, 2], [3, 4]]))
    assert iterator.__next__().tolist() == [1, 2]
    assert next(iterator).tolist() == [3, 4]
    with pytest.raises(StopIteration):
        next(iterator)
