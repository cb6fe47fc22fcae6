"""Files and conversions: npy, npz, safetensors, NumPy, lists, pickles, exported functions."""

import io
import pickle
import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np


def main(folder):
    mx.random.seed(43)
    out = {}
    dtypes = [mx.bool_, mx.uint8, mx.int8, mx.uint16, mx.int16, mx.uint32, mx.int32, mx.uint64, mx.int64,
              mx.float16, mx.bfloat16, mx.float32, mx.complex64]
    arrays = {str(d).split(".")[-1]: (mx.random.uniform(shape=(3, 4)) * 9).astype(d) for d in dtypes}
    plain = {k: v for k, v in arrays.items() if k != "bfloat16"}
    mx.savez(str(folder / "a.npz"), mx.arange(3), **plain)
    mx.savez_compressed(str(folder / "b.npz"), **plain)
    mx.save(str(folder / "c.npy"), arrays["float32"].T)
    mx.save_safetensors(str(folder / "d"), arrays, metadata={"who": "programs"})
    out["npz"] = dict(mx.load(str(folder / "a.npz")))
    out["compressed"] = dict(mx.load(str(folder / "b.npz")))
    out["npy"] = mx.load(str(folder / "c.npy"))
    out["safetensors"] = mx.load(str(folder / "d.safetensors"), return_metadata=True)
    with np.load(folder / "a.npz") as file:
        out["numpy reads"] = sorted(file.files)
    np.savez(folder / "n.npz", x=np.arange(5.0), y=np.eye(2, dtype=np.float16))
    out["from numpy"] = dict(mx.load(str(folder / "n.npz")))
    with open(folder / "e.npy", "wb") as file:
        mx.save(file, mx.arange(4))
    with open(folder / "e.npy", "rb") as file:
        out["file object"] = mx.load(file, format="npy")
    buffer = io.BytesIO()
    np.save(buffer, np.arange(6).reshape(2, 3))
    buffer.seek(0)
    out["bytes"] = mx.load(buffer, format="npy")
    out["pickle"] = pickle.loads(pickle.dumps(arrays["float32"]))
    x = arrays["float32"]
    back = np.array(x)
    out["views"] = [str(np.asarray(x).dtype), str(np.array(x, copy=False).shape), back.tolist() == x.tolist(),
                    str(np.array(arrays["bfloat16"].astype(mx.float32)).dtype)]
    if sys.version_info >= (3, 11):  # whose stable interface has buffers
        out["memoryview"] = [memoryview(x).shape, memoryview(x).format, memoryview(arrays["int16"]).itemsize]
    out["scalars"] = [x[0, 0].item(), int(mx.array(3.7)), float(mx.array(2)), bool(mx.array(0)), mx.array(1 + 2j).item()]
    out["lists"] = [mx.array([[1, 2], [3, 4]]), mx.array([1.5, 2]), mx.array([True, False]), mx.array([x, x]),
                    mx.array(np.arange(3, dtype=np.float64)), mx.array([]), mx.array([[]]), mx.array(list(range(4)))]
    out["strings"] = [repr(x), str(mx.array([1, 2, 3])), repr(mx.array(1.5)), f"{mx.array(2.25):.1f}", str(x.dtype), repr(x.shape)]
    model = nn.Linear(4, 3)
    mx.eval(model.parameters())
    path = str(folder / "f.mlxfn")
    mx.export_function(path, lambda a: mx.tanh(model(a)), x)
    out["exported"] = mx.import_function(path)(x)
    with mx.exporter(str(folder / "g.mlxfn"), lambda a, b=None: a if b is None else a + b) as exporter:
        exporter(x)
        exporter(x, b=x)
    imported = mx.import_function(str(folder / "g.mlxfn"))
    out["traces"] = [imported(x), imported(x, b=x)]
    errors = {
        "no file": lambda: mx.load(str(folder / "nothing.npz")), "extension": lambda: mx.load(str(folder / "a.txt")),
        "no extension": lambda: mx.load("plain"), "ragged": lambda: mx.array([[1, 2], [3]]), "text": lambda: mx.array("text"),
        "metadata": lambda: mx.save_safetensors(str(folder / "m"), arrays, {"a": 1}), "item": lambda: x.item(),
        "bool": lambda: bool(x), "import": lambda: imported(x, x, x), "none": lambda: mx.array(None),
        "matmul": lambda: x @ x, "attribute": lambda: x.nothing,
        "set": lambda: setattr(x, "nothing", 1), "hash": lambda: len({x: 1}),
    }
    for name, call in errors.items():
        try:
            value = call()
            out[f"error {name}"] = repr(value)
        except Exception as error:
            # a class of the library's own may be a kind of both
            usual = [kind for kind in type(error).__mro__ if kind.__module__ == "builtins"]
            meant = {"none": TypeError, "ragged": ValueError}.get(name, usual[0])
            out[f"error {name}"] = (meant if isinstance(error, meant) else usual[0]).__name__
    return out
