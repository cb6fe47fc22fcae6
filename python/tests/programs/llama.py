"""A language model in the style of served ones: rotating cache, scaled rotary embeddings, sampling, cache files."""

import json
import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Dict, List, Optional

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map, tree_reduce, tree_unflatten


@dataclass
class Arguments:
    hidden_size: int = 32
    num_hidden_layers: int = 3
    intermediate_size: int = 64
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    vocab_size: int = 61
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    sliding_window: int = 6
    rope_scaling: Dict[str, Any] = field(default_factory=lambda: {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64})


class ScaledRoPE(nn.Module):
    def __init__(self, dims, base, scaling):
        super().__init__()
        self.dims = dims
        factor = scaling["factor"]
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        old = scaling["original_max_position_embeddings"]
        freqs = base ** (mx.arange(0, dims, 2) / dims)
        wavelens = 2 * mx.pi * freqs
        freqs = mx.where(wavelens > old / low, freqs * factor, freqs)
        is_medium = (wavelens > old / high) & (wavelens < old / low)
        smooth = (old / wavelens - low) / (high - low)
        smoothed = freqs / ((1 - smooth) / factor + smooth)
        self._freqs = mx.where(is_medium, smoothed, freqs)

    def __call__(self, x, offset=0):
        return mx.fast.rope(x, self.dims, traditional=False, base=None, scale=1.0, offset=offset, freqs=self._freqs)


class RotatingCache:
    step = 4

    def __init__(self, max_size, keep=2):
        self.keep, self.max_size = keep, max_size
        self.keys = self.values = None
        self.offset = self._idx = 0

    def _trim(self, size, v, append=None):
        parts = [v[..., : self.keep, :], v[..., size + self.keep :, :]] if size > 0 else [v]
        if append is not None:
            parts.append(append)
        return mx.concatenate(parts, axis=2)

    def _temporal_order(self, v):
        if self._idx == v.shape[2]:
            return v
        if self._idx < self.offset:
            return mx.concatenate([v[..., : self.keep, :], v[..., self._idx :, :], v[..., self.keep : self._idx, :]], axis=2)
        return v[..., : self._idx, :]

    def update_and_fetch(self, keys, values):
        if keys.shape[2] > 1:
            if self.keys is None:
                self.keys, self.values = keys, values
            else:
                self.keys, self.values = self._temporal_order(self.keys), self._temporal_order(self.values)
                size = self.keys.shape[2] - self.max_size + 1
                self.keys, self.values = self._trim(size, self.keys, keys), self._trim(size, self.values, values)
            self.offset += keys.shape[2]
            self._idx = self.keys.shape[2]
            return self.keys, self.values
        B, heads, S, dims = keys.shape
        previous = self.offset
        if self.keys is None or (previous >= self.keys.shape[2] and self.keys.shape[2] < self.max_size):
            new = min(self.step, self.max_size - previous)
            new_k, new_v = mx.zeros((B, heads, new, dims), keys.dtype), mx.zeros((B, heads, new, dims), values.dtype)
            if self.keys is not None:
                self.keys = mx.concatenate([self.keys, new_k], axis=2)
                self.values = mx.concatenate([self.values, new_v], axis=2)
            else:
                self.keys, self.values = new_k, new_v
            self._idx = previous
        size = self.keys.shape[2] - self.max_size
        if size > 0:
            self.keys, self.values = self._trim(size, self.keys), self._trim(size, self.values)
            self._idx = self.max_size
        if self._idx == self.max_size:
            self._idx = self.keep
        self.keys[..., self._idx : self._idx + S, :] = keys
        self.values[..., self._idx : self._idx + S, :] = values
        self.offset += S
        self._idx += S
        if self.offset < self.max_size:
            return self.keys[..., : self.offset, :], self.values[..., : self.offset, :]
        return self.keys, self.values

    @property
    def state(self):
        return self.keys, self.values

    @property
    def meta_state(self):
        return tuple(map(str, (self.keep, self.max_size, self.offset, self._idx)))


def causal_mask(N, offset=0, window=None):
    rinds = mx.arange(offset + N)
    linds = mx.arange(offset, offset + N) if offset else rinds
    linds, rinds = linds[:, None], rinds[None]
    mask = linds >= rinds
    if window is not None:
        mask = mask & (linds < rinds + window)
    return mask


class Attention(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.n_heads, self.n_kv = args.num_attention_heads, args.num_key_value_heads
        dims = args.hidden_size // self.n_heads
        self.scale = dims**-0.5
        self.q_proj = nn.Linear(args.hidden_size, self.n_heads * dims, bias=True)
        self.k_proj = nn.Linear(args.hidden_size, self.n_kv * dims, bias=True)
        self.v_proj = nn.Linear(args.hidden_size, self.n_kv * dims, bias=True)
        self.o_proj = nn.Linear(self.n_heads * dims, args.hidden_size, bias=False)
        self.q_norm = nn.RMSNorm(dims, eps=args.rms_norm_eps)
        self.sinks = mx.zeros((self.n_heads,))
        self.rope = ScaledRoPE(dims, args.rope_theta, args.rope_scaling)

    def __call__(self, x, mask=None, cache=None):
        B, L, _ = x.shape
        q = self.q_norm(self.q_proj(x).reshape(B, L, self.n_heads, -1)).transpose(0, 2, 1, 3)
        k = mx.unflatten(self.k_proj(x), -1, (self.n_kv, -1)).swapaxes(1, 2)
        v = mx.unflatten(self.v_proj(x), -1, (self.n_kv, -1)).swapaxes(1, 2)
        if cache is not None:
            q, k = self.rope(q, offset=cache.offset), self.rope(k, offset=cache.offset)
            k, v = cache.update_and_fetch(k, v)
        else:
            q, k = self.rope(q), self.rope(k)
        if isinstance(mask, mx.array) and mask.shape[-1] != k.shape[-2]:
            mask = mask[..., -k.shape[-2] :]
        out = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.scale, mask=mask, sinks=self.sinks)
        return self.o_proj(out.transpose(0, 2, 1, 3).reshape(B, L, -1))


@partial(mx.compile, shapeless=True)
def swiglu(gate, x):
    return nn.silu(gate) * x


class MLP(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.gate_proj = nn.Linear(dim, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)
        self.up_proj = nn.Linear(dim, hidden, bias=False)

    def __call__(self, x):
        return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x)))


class Block(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.self_attn = Attention(args)
        self.mlp = MLP(args.hidden_size, args.intermediate_size)
        self.input_layernorm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)

    def __call__(self, x, mask=None, cache=None):
        h = x + self.self_attn(self.input_layernorm(x), mask, cache)
        return h + self.mlp(self.post_attention_layernorm(h))


class Model(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args = args
        self.embed_tokens = nn.Embedding(args.vocab_size, args.hidden_size)
        self.layers = [Block(args) for _ in range(args.num_hidden_layers)]
        self.norm = nn.RMSNorm(args.hidden_size, eps=args.rms_norm_eps)

    def __call__(self, inputs, cache=None):
        h = self.embed_tokens(inputs)
        cache = cache or [None] * len(self.layers)
        mask = None
        if h.shape[1] > 1:
            mask = causal_mask(h.shape[1], min(cache[0].offset, cache[0].max_size - 1) if cache[0] else 0, self.args.sliding_window)
        for layer, c in zip(self.layers, cache):
            h = layer(h, mask, c)
        return self.embed_tokens.as_linear(self.norm(h))

    def sanitize(self, weights):
        return {k: v for k, v in weights.items() if "rotary_emb.inv_freq" not in k}

    @property
    def head_dim(self):
        return self.args.hidden_size // self.args.num_attention_heads


def apply_top_k(logprobs, top_k):
    mask_idx = mx.argpartition(-logprobs, kth=top_k - 1, axis=-1)[..., top_k:]
    return mx.put_along_axis(logprobs, mask_idx, mx.array(-float("inf"), logprobs.dtype), axis=-1)


def apply_min_p(logprobs, min_p, keep=1):
    sorted_indices = mx.argsort(-logprobs, axis=-1)
    sorted_logprobs = mx.take_along_axis(logprobs, sorted_indices, axis=-1)
    scaled = sorted_logprobs[:, 0:1] + math.log(min_p)
    remove = sorted_logprobs < scaled
    remove[..., :keep] = False
    selected = mx.where(remove, -float("inf"), sorted_logprobs)
    inverse = mx.put_along_axis(mx.zeros_like(sorted_indices), sorted_indices, mx.arange(sorted_indices.shape[-1], dtype=sorted_indices.dtype), axis=-1)
    return mx.take_along_axis(selected, inverse, axis=-1)


def apply_top_p(logprobs, top_p):
    probs = mx.exp(logprobs)
    sorted_indices = mx.argsort(logprobs, axis=-1)
    sorted_probs = mx.take_along_axis(probs, sorted_indices, axis=-1)
    cumulative = mx.cumsum(sorted_probs, axis=-1)
    inverse = mx.put_along_axis(mx.zeros_like(sorted_indices), sorted_indices, mx.arange(sorted_indices.shape[-1], dtype=sorted_indices.dtype), axis=-1)
    cumulative = mx.take_along_axis(cumulative, inverse, axis=-1)
    return mx.where(cumulative > 1 - top_p, logprobs, -float("inf"))


def repetition(tokens, logits, penalty=1.3, context=5):
    if len(tokens) > 0:
        tokens = tokens[-context:]
        selected = logits[:, tokens]
        selected = mx.where(selected < 0, selected * penalty, selected / penalty)
        logits[:, tokens] = selected
    return logits


@partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)
def categorical(logits, temp):
    return mx.random.categorical(logits * (1 / temp))


@partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)
def apply_xtc(logits, probability, threshold, special):
    probs = mx.softmax(logits, -1)
    mask = probs > mx.where(probs > threshold, probs, mx.inf).min()
    if special:
        mask[..., special] = False
    return mx.where(mx.random.uniform(0, 1) > probability, logits, mx.where(mask, -mx.inf, logits))


def generate(model, prompt, cache, count, sampler):
    y = prompt
    tokens = None
    found, probs = [], []
    while y.size > 8:
        model(y[:8][None], cache=cache)
        mx.eval([c.state for c in cache])
        y = y[8:]
        mx.clear_cache()

    def step(y):
        nonlocal tokens
        logits = model(y[None], cache=cache)[:, -1, :]
        tokens = mx.concat([tokens, y]) if tokens is not None else y
        logits = repetition(tokens, logits)
        logprobs = logits - mx.logsumexp(logits, keepdims=True)
        return sampler(logprobs), logprobs.squeeze(0)

    y, logprobs = step(y)
    mx.async_eval(y, logprobs)
    for n in range(count):
        next_y, next_logprobs = step(y)
        mx.async_eval(next_y, next_logprobs)
        if n == 0:
            mx.eval(y)
        found.append(y.item())
        probs.append(logprobs[y.item()])
        y, logprobs = next_y, next_logprobs
    return found, mx.stack(probs)


def main(folder):
    mx.random.seed(7)
    args = Arguments()
    model = Model(args)
    model.apply(lambda p: p * 1.5)
    weights = dict(tree_flatten(model.parameters()))
    weights["layers.0.rotary_emb.inv_freq"] = mx.zeros((4,))
    names = list(weights)
    shards = {}
    for index, start in enumerate(range(0, len(names), 10)):
        name = f"model-{index:05d}.safetensors"
        mx.save_safetensors(str(folder / name), {k: weights[k] for k in names[start : start + 10]}, metadata={"format": "mlx"})
        shards.update(dict.fromkeys(names[start : start + 10], name))
    (folder / "index.json").write_text(json.dumps({"metadata": {"total_size": tree_reduce(lambda a, x: a + x.nbytes, weights, 0)}, "weight_map": shards}))
    loaded = {}
    for name in sorted(set(shards.values())):
        loaded.update(mx.load(str(folder / name)))
    other = Model(args)
    other.load_weights(list(other.sanitize(loaded).items()), strict=True)
    other.eval()
    other.set_dtype(mx.float32)
    prompt = mx.array([3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 1])
    results = {"sizes": json.loads((folder / "index.json").read_text())["metadata"]}
    samplers = {
        "greedy": lambda p: mx.argmax(p, axis=-1),
        "top_k": lambda p: categorical(apply_top_k(p, 5), 0.8),
        "min_p": lambda p: categorical(apply_min_p(p, 0.05), 0.7),
        "top_p": lambda p: categorical(apply_top_p(p, 0.8), 1.2),
        "xtc": lambda p: categorical(apply_xtc(p, 0.5, 0.05, [1, 2]), 1.0),
    }
    for name, sampler in samplers.items():
        mx.random.seed(11)
        cache = [RotatingCache(10) for _ in other.layers]
        results[name] = generate(other, prompt, cache, 12, sampler)
        data = dict(tree_flatten([c.state for c in cache]))
        meta = dict(tree_flatten([[c.meta_state for c in cache], {"model": "small"}]))
        mx.save_safetensors(str(folder / "cache.safetensors"), data, meta)
        arrays, read = mx.load(str(folder / "cache.safetensors"), return_metadata=True)
        results[name + "_meta"] = tree_unflatten(sorted(read.items()))
        mx.eval(arrays)
        results[name + "_sum"] = tree_map(lambda a: a.astype(mx.float32).sum(), tree_unflatten(sorted(arrays.items())))
    other.set_dtype(mx.bfloat16)
    results["half"] = other(prompt[None])[..., :5]
    results["dtypes"] = sorted({str(p.dtype).split(".")[-1] for _, p in tree_flatten(other.parameters())})
    return results
