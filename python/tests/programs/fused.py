"""mx.fast with every kind of mask and option, against what the same formula gives."""

import math

import mlx.core as mx


def reference(q, k, v, scale, mask=None):
    repeats = q.shape[1] // k.shape[1]
    k, v = mx.repeat(k, repeats, axis=1), mx.repeat(v, repeats, axis=1)
    scores = (q * scale) @ k.swapaxes(-1, -2)
    if isinstance(mask, str):
        L, S = scores.shape[-2:]
        mask = mx.arange(S - L, S)[:, None] >= mx.arange(S)[None]
    if mask is not None:
        scores = mx.where(mask, scores, -mx.inf) if mask.dtype == mx.bool_ else scores + mask
    return mx.softmax(scores, axis=-1, precise=True) @ v


def main(folder):
    mx.random.seed(17)
    out = {}
    for dtype in (mx.float32, mx.float16, mx.bfloat16):
        name = str(dtype).split(".")[-1]
        q, k, v = (mx.random.normal((2, h, L, 16)).astype(dtype) for h, L in ((4, 5), (2, 9), (2, 9)))
        scale = 1 / math.sqrt(16)
        masks = {
            "none": None, "causal": "causal",
            "bool": mx.random.bernoulli(0.7, (5, 9)) | (mx.arange(9) == 0),
            "bool batch": mx.random.bernoulli(0.7, (2, 1, 5, 9)) | (mx.arange(9) == 0),
            "additive": mx.random.normal((5, 9)).astype(dtype),
            "additive heads": mx.random.normal((1, 4, 1, 9)).astype(dtype),
            "padding": mx.where(mx.arange(9) < mx.array([[6], [9]]), 0.0, -math.inf).astype(dtype)[:, None, None],
        }
        for kind, mask in masks.items():
            y = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask)
            close = mx.allclose(y.astype(mx.float32), reference(q, k, v, scale, mask).astype(mx.float32), atol=3e-2)
            out[f"{name} {kind}"] = [y, close]
        sinks = mx.random.normal((4,)).astype(dtype)
        out[f"{name} sinks"] = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask="causal", sinks=sinks)
        one = mx.fast.scaled_dot_product_attention(q[:, :, -1:], k, v, scale=scale)
        out[f"{name} one"] = one
        w, b = mx.random.normal((16,)).astype(dtype), mx.random.normal((16,)).astype(dtype)
        out[f"{name} norms"] = [
            mx.fast.rms_norm(q, w, 1e-5), mx.fast.rms_norm(q, None, 1e-5), mx.fast.layer_norm(q, w, b, 1e-5),
            mx.fast.layer_norm(q, None, None, 1e-5), mx.fast.layer_norm(q, w, None, 1e-5),
        ]
        for traditional in (True, False):
            out[f"{name} rope {traditional}"] = [
                mx.fast.rope(q, 16, traditional=traditional, base=10000.0, scale=1.0, offset=3),
                mx.fast.rope(q, 8, traditional=traditional, base=500.0, scale=0.5, offset=mx.array([2, 7])),
                mx.fast.rope(q, 16, traditional=traditional, base=None, scale=1.0, offset=0,
                             freqs=1 + mx.arange(8, dtype=mx.float32)),
            ]
    q, k, v = (mx.random.normal((1, 2, 4, 8)) for _ in range(3))
    attend = lambda q, k, v: (mx.fast.scaled_dot_product_attention(q, k, v, scale=0.3, mask="causal") ** 2).sum()
    out["gradients"] = mx.grad(attend, argnums=(0, 1, 2))(q, k, v)
    out["norm gradients"] = mx.grad(lambda x, w: mx.fast.rms_norm(x, w, 1e-5).sum(), argnums=(0, 1))(q, q[0, 0, 0])
    out["rope gradient"] = mx.grad(lambda x: (mx.fast.rope(x, 8, traditional=False, base=1e4, scale=1.0, offset=1) ** 3).sum())(q)
    errors = {
        "mask dtype": lambda: mx.fast.scaled_dot_product_attention(q.astype(mx.float16), k.astype(mx.float16), v.astype(mx.float16), scale=1.0, mask=mx.zeros((4, 4), mx.float32)),
        "mask name": lambda: mx.fast.scaled_dot_product_attention(q, k, v, scale=1.0, mask="diagonal"),
        "mask shape": lambda: mx.fast.scaled_dot_product_attention(q, k, v, scale=1.0, mask=mx.zeros((3, 3))),
        "heads": lambda: mx.fast.scaled_dot_product_attention(q, mx.repeat(k, 3, 1)[:, :3], v, scale=1.0),
        "rank": lambda: mx.fast.scaled_dot_product_attention(q[0], k, v, scale=1.0),
        "no base": lambda: mx.fast.rope(q, 8, traditional=False, base=None, scale=1.0, offset=0),
        "weight": lambda: mx.fast.rms_norm(q, mx.ones((3,)), 1e-5),
        "freqs": lambda: mx.fast.rope(q, 8, traditional=False, base=None, scale=1.0, offset=0, freqs=mx.ones((3,))),
    }
    for name, call in errors.items():
        try:
            mx.eval(call())
            out[f"error {name}"] = "none"
        except Exception as error:
            out[f"error {name}"] = type(error).__name__
    return out
