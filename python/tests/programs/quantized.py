"""A quantized model: nn.quantize with predicates, mixed bits, a quantized cache, files."""

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map, tree_map_with_path, tree_reduce


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(64, 128)
        self.layers = [nn.Linear(128, 128), nn.Linear(128, 64, bias=False)]
        self.norm = nn.RMSNorm(64)
        self.lm_head = nn.Linear(64, 64, bias=False)

    def __call__(self, x):
        x = self.embed(x)
        for layer in self.layers:
            x = nn.silu(layer(x))
        return self.lm_head(self.norm(x))


def mixed(path, module):
    if not hasattr(module, "to_quantized"):
        return False
    if "lm_head" in path:
        return {"group_size": 32, "bits": 8}
    return True


def quantized_attention(queries, keys, values, scale, mask, group_size=32, bits=8):
    B, heads, L, D = queries.shape
    kv_heads = keys[0].shape[-3]
    repeats = heads // kv_heads
    queries = queries * scale
    queries = mx.reshape(queries, (B, kv_heads, repeats, L, D))
    keys = tree_map(lambda x: mx.expand_dims(x, axis=-3), keys)
    values = tree_map(lambda x: mx.expand_dims(x, axis=-3), values)
    scores = mx.quantized_matmul(
        queries, *keys, transpose=True, group_size=group_size, bits=bits
    )
    if mask == "causal":
        q_indices = mx.arange(scores.shape[-1] - L, scores.shape[-1])
        k_indices = mx.arange(scores.shape[-1])
        mask = q_indices[:, None] >= k_indices[None]
    if mask is not None:
        if mask.dtype == mx.bool_:
            scores = mx.where(mask, scores, mx.finfo(scores.dtype).min)
        else:
            scores += mask
    scores = mx.softmax(scores, axis=-1, precise=True)
    out = mx.quantized_matmul(scores, *values, transpose=False, group_size=group_size, bits=bits)
    return mx.reshape(out, (B, heads, L, D))


def main(folder):
    mx.random.seed(0)
    x = mx.array([[1, 5, 9, 33], [2, 63, 0, 7]])
    out = {}
    for bits in (2, 3, 4, 6, 8):
        model = Net()
        nn.quantize(model, group_size=64, bits=bits)
        out[f"bits{bits}"] = {"y": model(x), "print": str(model)}
    model = Net()
    model.set_dtype(mx.bfloat16)
    nn.quantize(model, 64, 4, class_predicate=mixed)
    out["mixed"] = {"y": model(x), "print": str(model)}
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    other = Net()
    nn.quantize(
        other, 64, 4,
        class_predicate=lambda p, m: f"{p}.scales" in weights and mixed(p, m),
    )
    other.load_weights(list(mx.load(str(folder / "model.safetensors")).items()))
    out["loaded"] = mx.array_equal(other(x), model(x))
    out["bytes"] = tree_reduce(
        lambda total, p: total + p.nbytes if isinstance(p, mx.array) else total,
        model.parameters(), 0,
    )
    out["dtypes"] = tree_map_with_path(lambda path, p: f"{path} {p.dtype}", model.parameters())
    out["trainable"] = dict(tree_flatten(model.trainable_parameters()))
    q = mx.random.normal((1, 4, 6, 64))
    k = mx.quantize(mx.random.normal((1, 2, 9, 64)), group_size=32, bits=8)
    v = mx.quantize(mx.random.normal((1, 2, 9, 64)), group_size=32, bits=8)
    out["attention"] = quantized_attention(q, k, v, 64**-0.5, "causal")
    for mode in ("mxfp4", "mxfp8", "nvfp4"):
        layer = nn.QuantizedLinear.from_linear(nn.Linear(128, 32), mode=mode)
        out[mode] = {"y": layer(mx.random.normal((3, 128))), "print": repr(layer)}
    try:
        nn.quantize(Net(), group_size=48, bits=4)
    except ValueError:
        out["bad group"] = "ValueError"
    return out
