"""Streams, devices and threads; memory counters; stubs of Metal and CUDA."""

import threading
from concurrent.futures import ThreadPoolExecutor

import mlx.core as mx


def main(folder):
    mx.random.seed(2)
    a = mx.random.normal((32, 32))
    mx.eval(a)
    other = mx.new_stream(mx.cpu)
    with mx.stream(other):
        b = mx.matmul(a, a)
    c = mx.add(b, a, stream=mx.cpu)
    mx.synchronize(other)
    out = {"sum": c.sum(), "device": str(mx.default_device().type == mx.cpu) if mx.default_device() == mx.Device(mx.cpu, 0) else "gpu"}
    with mx.stream(mx.cpu):
        out["cpu"] = mx.exp(a, stream=other)[0]
    out["equal"] = [mx.Device(mx.cpu) == mx.cpu, mx.Device(mx.cpu, 0) == mx.Device(mx.cpu, 0), mx.default_stream(mx.cpu) == other]
    out["repr"] = [repr(mx.Device(mx.cpu)), str(mx.cpu)]
    mx.set_default_device(mx.cpu)
    results = [None] * 4

    def work(i):
        stream = mx.new_stream(mx.cpu)
        with mx.stream(stream):
            x = mx.full((16, 16), float(i + 1))
            for _ in range(3):
                x = mx.tanh(x @ x / 100)
            mx.eval(x)
        mx.synchronize(stream)
        results[i] = x.tolist()[0][:2]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    out["threads"] = results
    with ThreadPoolExecutor(2) as pool:
        out["pool"] = list(pool.map(lambda n: mx.arange(n).sum(stream=mx.cpu).item(), range(5)))
    mx.async_eval(c, [b, {"a": a}])
    mx.eval([c], (b,), {"a": a}, 3, None, "text")
    d = mx.depends([c], [b])
    out["depends"] = len(d)
    out["memory"] = [mx.get_active_memory() >= 0, mx.get_peak_memory() > 0, mx.get_cache_memory() >= 0]
    mx.reset_peak_memory()
    before = mx.set_cache_limit(1 << 28)
    out["limits"] = mx.set_cache_limit(before) == 1 << 28
    mx.clear_cache()
    mx.set_wired_limit(0)
    out["metal"] = [mx.metal.is_available(), mx.cuda.is_available(), mx.is_available(mx.cpu)]
    info = mx.device_info()
    out["info"] = isinstance(info, dict)
    errors = {
        "kernel": lambda: mx.fast.metal_kernel(name="f", input_names=["x"], output_names=["y"], source="y[0] = x[0];")(
            inputs=[a], output_shapes=[(1,)], output_dtypes=[mx.float32], grid=(1, 1, 1), threadgroup=(1, 1, 1)),
        "stream": lambda: mx.add(a, a, stream="cpu"),
        "device": lambda: mx.Device("cpu"),
    }
    for name, call in errors.items():
        try:
            call()
            out[f"error {name}"] = "none"
        except Exception as error:
            out[f"error {name}"] = type(error).__name__
    return out
