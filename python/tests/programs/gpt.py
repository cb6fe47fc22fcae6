"""A decoder-only transformer: training, a key-value cache, sampling with temperature, top-k, top-p."""

import math
from dataclasses import dataclass
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map


@dataclass
class Config:
    vocabulary: int = 31
    dims: int = 32
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 48


class KVCache:
    step = 8

    def __init__(self):
        self.keys = None
        self.values = None
        self.offset = 0

    def update_and_fetch(self, keys, values):
        previous = self.offset
        if self.keys is None or previous + keys.shape[2] > self.keys.shape[2]:
            B, heads, _, dims = keys.shape
            steps = (self.step + keys.shape[2] - 1) // self.step
            room = (B, heads, steps * self.step, dims)
            new_k, new_v = mx.zeros(room, keys.dtype), mx.zeros(room, values.dtype)
            if self.keys is not None:
                if previous % self.step != 0:
                    self.keys = self.keys[..., :previous, :]
                    self.values = self.values[..., :previous, :]
                self.keys = mx.concatenate([self.keys, new_k], axis=2)
                self.values = mx.concatenate([self.values, new_v], axis=2)
            else:
                self.keys, self.values = new_k, new_v
        self.offset += keys.shape[2]
        self.keys[..., previous : self.offset, :] = keys
        self.values[..., previous : self.offset, :] = values
        return self.keys[..., : self.offset, :], self.values[..., : self.offset, :]


class Attention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.heads, self.kv_heads = config.heads, config.kv_heads
        head_dim = config.dims // config.heads
        self.scale = head_dim**-0.5
        self.q_proj = nn.Linear(config.dims, config.heads * head_dim, bias=False)
        self.k_proj = nn.Linear(config.dims, config.kv_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(config.dims, config.kv_heads * head_dim, bias=False)
        self.o_proj = nn.Linear(config.heads * head_dim, config.dims, bias=False)
        self.rope = nn.RoPE(head_dim, traditional=False, base=1000)

    def __call__(self, x, mask=None, cache=None):
        B, L, _ = x.shape
        queries = self.q_proj(x).reshape(B, L, self.heads, -1).transpose(0, 2, 1, 3)
        keys = self.k_proj(x).reshape(B, L, self.kv_heads, -1).transpose(0, 2, 1, 3)
        values = self.v_proj(x).reshape(B, L, self.kv_heads, -1).transpose(0, 2, 1, 3)
        if cache is not None:
            queries = self.rope(queries, offset=cache.offset)
            keys = self.rope(keys, offset=cache.offset)
            keys, values = cache.update_and_fetch(keys, values)
        else:
            queries, keys = self.rope(queries), self.rope(keys)
        output = mx.fast.scaled_dot_product_attention(
            queries, keys, values, scale=self.scale, mask=mask
        )
        return self.o_proj(output.transpose(0, 2, 1, 3).reshape(B, L, -1))


class MLP(nn.Module):
    def __init__(self, dims, hidden):
        super().__init__()
        self.gate_proj = nn.Linear(dims, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dims, bias=False)
        self.up_proj = nn.Linear(dims, hidden, bias=False)

    def __call__(self, x):
        return self.down_proj(nn.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config.dims, config.hidden)
        self.input_layernorm = nn.RMSNorm(config.dims, eps=1e-5)
        self.post_attention_layernorm = nn.RMSNorm(config.dims, eps=1e-5)

    def __call__(self, x, mask=None, cache=None):
        h = x + self.self_attn(self.input_layernorm(x), mask, cache)
        return h + self.mlp(self.post_attention_layernorm(h))


class GPT(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.dims)
        self.layers = [Block(config) for _ in range(config.layers)]
        self.norm = nn.RMSNorm(config.dims, eps=1e-5)

    def __call__(self, inputs, cache=None):
        h = self.embed_tokens(inputs)
        mask = None
        if h.shape[1] > 1:
            mask = nn.MultiHeadAttention.create_additive_causal_mask(h.shape[1])
            mask = mask.astype(h.dtype)
        cache = cache or [None] * len(self.layers)
        for layer, c in zip(self.layers, cache):
            h = layer(h, mask, c)
        return self.embed_tokens.as_linear(self.norm(h))


def loss_fn(model, inputs, targets, lengths):
    logits = model(inputs).astype(mx.float32)
    mask = mx.arange(inputs.shape[1])[None, :] < lengths[:, None]
    ce = nn.losses.cross_entropy(logits, targets) * mask
    tokens = mask.sum()
    return ce.sum() / tokens, tokens


def top_p(logits, p):
    probabilities = mx.softmax(logits, axis=-1)
    order = mx.argsort(probabilities, axis=-1)
    ordered = mx.take_along_axis(probabilities, order, axis=-1)
    cumulative = mx.cumsum(ordered, axis=-1)
    kept = mx.where(cumulative > 1 - p, ordered, mx.zeros_like(ordered))
    token = mx.random.categorical(mx.log(kept))
    return mx.take_along_axis(order, token[..., None], axis=-1).squeeze(-1)


def top_k(logits, k):
    threshold = mx.argpartition(-logits, kth=k - 1, axis=-1)[..., k:]
    masked = mx.put_along_axis(logits, threshold, mx.array(-math.inf, logits.dtype), axis=-1)
    return mx.random.categorical(masked)


def generate(model, prompt, steps, sampler):
    cache = [KVCache() for _ in model.layers]
    y = prompt
    for _ in range(steps):
        logits = model(y[None], cache=cache)[:, -1, :]
        y = sampler(logits)
        mx.async_eval(y)
        yield y.item()


def main(folder):
    mx.random.seed(7)
    config = Config()
    model = GPT(config)
    mx.eval(model.parameters())
    schedule = optim.join_schedules(
        [optim.linear_schedule(0, 1e-2, 3), optim.cosine_decay(1e-2, 6, 1e-3)], [3]
    )
    optimizer = optim.AdamW(schedule, weight_decay=0.1, betas=[0.9, 0.95])
    step = nn.value_and_grad(model, loss_fn)
    data = mx.random.randint(0, config.vocabulary, (6, 9))
    lengths = mx.array([8, 7, 8, 5, 8, 6])
    losses, rates, norms = [], [], []
    for _ in range(7):
        (loss, tokens), grads = step(model, data[:, :-1], data[:, 1:], lengths)
        grads, norm = optim.clip_grad_norm(grads, max_norm=1.0)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state, loss)
        losses.append(loss.item())
        rates.append(optimizer.learning_rate.item())
        norms.append(norm)
    model.eval()
    prompt = mx.array([3, 1, 4, 1, 5])
    mx.random.seed(11)
    greedy = list(generate(model, prompt, 9, lambda l: mx.argmax(l, axis=-1)))
    warm = list(generate(model, prompt, 6, lambda l: mx.random.categorical(l * (1 / 0.8))))
    nucleus = list(generate(model, prompt, 6, partial(top_p, p=0.9)))
    few = list(generate(model, prompt, 6, partial(top_k, k=5)))
    whole = model(mx.array([[3, 1, 4, 1, 5] + greedy[:4]]))
    cache = [KVCache() for _ in model.layers]
    parts = [model(mx.array([p]), cache=cache) for p in ([3, 1, 4, 1, 5], *[[g] for g in greedy[:4]])]
    half = tree_map(lambda p: p.astype(mx.bfloat16), model.parameters())
    count = sum(v.size for _, v in tree_flatten(model.parameters()))
    return {
        "losses": losses, "rates": rates, "norms": norms, "tokens": tokens,
        "greedy": greedy, "warm": warm, "nucleus": nucleus, "few": few,
        "cached": mx.allclose(whole, mx.concatenate(parts, axis=1), atol=1e-4),
        "count": count, "half": {k: str(v.shape) for k, v in tree_flatten(half)},
        "print": str(model),
    }
