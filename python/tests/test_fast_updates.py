"""Compositions of the submodule `fast` and what only particular hardware runs, against Apple's MLX."""

import numpy as np
import pytest
from differential import same

import mlx_oxide.core as mx

rng = np.random.default_rng(3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int32"])
@pytest.mark.parametrize("targets", [([0, 2], "int32"), ([0, 2], "uint8"), ([0.0, 2], "float32"), ([0], "int32"), ([[0, 2]], "int32")])
def test_cross_entropy_agrees(dtype, targets):
    logits = ([[1, 2, 3], [1, 2, 5]], dtype)
    tolerance = 2e-3 if dtype == "float16" else 1e-6
    same(lambda core, x, t: core.fast.cross_entropy(x, t), logits, targets, rtol=tolerance)


def test_cross_entropy_of_a_scalar_is_an_error():
    same(lambda core, x, t: core.fast.cross_entropy(x, t), (1.0, "float32"), (0, "int32"))


def gated(steps=4, key_heads=2, heads=4, key=8, value=6, dtype="float32"):
    shapes = [(2, steps, key_heads, key)] * 2 + [(2, steps, heads, value)]
    operands = [(rng.standard_normal(shape) / 2, dtype) for shape in shapes]
    return operands + [(rng.uniform(size=(2, steps, heads)), dtype)] * 2


@pytest.mark.parametrize("heads", [(1, 1), (2, 2), (2, 4)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gated_delta_update_agrees(heads, dtype):
    operands = gated(key_heads=heads[0], heads=heads[1], dtype=dtype)
    tolerance = 1e-5 if dtype == "float32" else 5e-3
    same(lambda core, *a: core.fast.gated_delta_update(*a), *operands, rtol=tolerance, atol=tolerance)


def test_gated_delta_update_takes_a_state_and_a_mask():
    state = (rng.standard_normal((2, 4, 6, 8)), "float32")
    mask = ([[1, 1, 0, 1], [1, 0, 0, 1]], "bool_")
    same(lambda core, *a: core.fast.gated_delta_update(*a), *gated(), state, mask, rtol=1e-5, atol=1e-5)


def test_gated_delta_update_differentiates_and_batches():
    operands = [mx.array(np.asarray(values, dtype=np.float32)) for values, _ in gated(steps=2)]

    def loss(q):
        return mx.fast.gated_delta_update(q, *operands[1:])[0].sum()

    gradient = mx.grad(loss)(operands[0])
    step = 1e-2
    bumped = mx.array(operands[0]).at[0, 1, 0, 3].add(step)
    slope = (loss(bumped) - loss(operands[0])).item() / step
    assert abs(gradient[0, 1, 0, 3].item() - slope) < 1e-2
    pair = [mx.stack([operand, operand]) for operand in operands]
    batched = mx.vmap(lambda *a: mx.fast.gated_delta_update(*a)[0])(*pair)
    single = mx.fast.gated_delta_update(*operands)[0]
    assert mx.allclose(batched[1], single, atol=1e-6).item()


@pytest.mark.parametrize(
    "call",
    [
        lambda core: core.fast.metal_kernel("k", ["x"], ["y"], "")(
            inputs=[core.ones(2)], output_shapes=[(2,)], output_dtypes=[core.float32], grid=(1, 1, 1), threadgroup=(1, 1, 1)
        ),
        lambda core: core.fast.cuda_kernel("k", ["x"], ["y"], ""),
        lambda core: core.fast.precompiled_cuda_kernel(
            name="k", compiled_source=b"", inputs=[], output_shapes=[], output_dtypes=[], scalars=[], grid=(1, 1, 1), threadgroup=(1, 1, 1)
        ),
        lambda core: core.metal.is_available(),
        lambda core: core.cuda.is_available(),
        lambda core: core.metal.device_info(),
    ],
)
def test_what_particular_hardware_runs_is_absent_alike(call):
    same(call)


def test_thread_local_streams_differ_by_thread():
    import threading

    stream = mx.new_thread_local_stream(mx.cpu)
    assert stream == stream
    assert stream != mx.new_thread_local_stream(mx.cpu)
    results = []

    def work():
        with mx.stream(stream):
            results.append((mx.ones(3) + 1).sum().item())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [6.0] * 3
    assert (mx.ones(2, stream=stream) + mx.ones(2, stream=mx.new_thread_unsafe_stream(mx.cpu))).tolist() == [2, 2]
    mx.clear_streams()


def test_buffers_of_shared_memory_count_once():
    array = mx.ones((100,))
    mx.eval(array)
    assert mx.get_array_buffer_size(array, [array, 3], {"a": "b"}) == mx.get_array_buffer_size(array) >= 400
    assert mx.get_memory_limit() > 0


def test_the_namespace_answers_the_array_api_standard():
    info = mx.__array_namespace_info__()
    assert info.dtypes(kind="bool") == {"bool": mx.bool_}
    assert info.default_dtypes()["real floating"] == mx.float32
    assert mx.ones(1).__array_namespace__() is mx


class Like:
    def __mlx_array__(self):
        return mx.array([5])


def test_objects_that_give_arrays_are_arrays_to_functions():
    assert (mx.add(Like(), 1)).tolist() == [6]
    assert (mx.ones(1) + Like()).tolist() == [6]
    assert mx.array(mx.ArrayLike(Like())).tolist() == [5]
