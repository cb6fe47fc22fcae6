"""State space models: a selective scan, short convolutions with a cache, a gated linear attention, beam search."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


class Mamba(nn.Module):
    def __init__(self, dims=12, state=4, expand=2, kernel=3):
        super().__init__()
        inner = expand * dims
        self.inner, self.states, self.kernel, self.rank = inner, state, kernel, 3
        self.in_proj = nn.Linear(dims, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, kernel, groups=inner, padding=0)
        self.x_proj = nn.Linear(inner, self.rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = mx.log(mx.repeat(mx.arange(1.0, state + 1.0)[None], repeats=inner, axis=0))
        self.D = mx.ones([inner])
        self.out_proj = nn.Linear(inner, dims, bias=False)

    def step(self, x, state):
        A = -mx.exp(self.A_log)
        delta, B, C = mx.split(self.x_proj(x), [self.rank, self.rank + self.states], axis=-1)
        delta = nn.softplus(self.dt_proj(delta))
        new = mx.expand_dims(delta * x, -1) * mx.expand_dims(B, 1)
        if state is not None:
            new += state * mx.exp(mx.expand_dims(delta, -1) * A)
        y = (new @ mx.expand_dims(C, -1)).squeeze(2)
        return y + self.D * x, new

    def __call__(self, x, cache=None):
        B, L, _ = x.shape
        conv, state = cache if cache is not None else (None, None)
        x, z = self.in_proj(x).split(indices_or_sections=2, axis=-1)
        padded = mx.concatenate([conv, x], axis=1) if conv is not None else mx.pad(x, [(0, 0), (self.kernel - 1, 0), (0, 0)])
        out = nn.silu(self.conv1d(padded))
        conv = padded[:, -(self.kernel - 1) :, :]
        ys = []
        for t in range(L):
            y, state = self.step(out[:, t], state)
            ys.append(y)
        return self.out_proj(nn.silu(z) * mx.stack(ys, axis=1)), (conv, state)


class LinearAttention(nn.Module):
    def __init__(self, dims=12, heads=3):
        super().__init__()
        self.heads = heads
        self.qkvg = nn.Linear(dims, 4 * dims)
        self.out = nn.Linear(dims, dims)
        self.decay = mx.log(1 - mx.power(2.0, -5 - mx.arange(heads)))

    def __call__(self, x):
        B, L, D = x.shape
        q, k, v, g = (t.reshape(B, L, self.heads, -1).transpose(0, 2, 1, 3) for t in mx.split(self.qkvg(x), 4, -1))
        distance = mx.arange(L)[:, None] - mx.arange(L)
        mask = mx.where(distance >= 0, mx.exp(distance * self.decay[:, None, None]), 0)
        out = mx.einsum("bhij,bhjd->bhid", mx.einsum("bhid,bhjd->bhij", q, k) * mask / math.sqrt(q.shape[-1]), v)
        out = mx.fast.layer_norm(out, None, None, 1e-5) * mx.sigmoid(g)
        return self.out(out.transpose(0, 2, 1, 3).reshape(B, L, D))


class Model(nn.Module):
    def __init__(self, vocab=19, dims=12):
        super().__init__()
        self.embed = nn.Embedding(vocab, dims)
        self.mamba, self.attention = Mamba(dims), LinearAttention(dims)
        self.bias = nn.ALiBi()
        self.norm = nn.RMSNorm(dims)

    def __call__(self, tokens, cache=None):
        h = self.embed(tokens)
        y, cache = self.mamba(self.norm(h), cache)
        h = h + y
        if cache is not None and tokens.shape[1] > 1:
            h = h + self.attention(self.norm(h))
        return self.embed.as_linear(h), cache


def beam(model, start, width, length):
    logits, cache = model(start)
    scores = nn.log_softmax(logits[0, -1], axis=-1)
    best = mx.argsort(-scores)[:width]
    beams = [([b.item()], scores[b].item()) for b in best]
    for _ in range(length):
        grown = []
        for tokens, score in beams:
            logits, _ = model(mx.concatenate([start, mx.array([tokens])], axis=1))
            probabilities = nn.log_softmax(logits[0, -1], axis=-1)
            top = mx.topk(probabilities, width)
            for p in sorted(top.tolist(), reverse=True):
                grown.append((tokens + [mx.argmin(mx.abs(probabilities - p)).item()], score + p))
        beams = sorted(grown, key=lambda g: -g[1])[:width]
    return beams


def main(folder):
    mx.random.seed(1)
    model = Model()
    tokens = mx.random.randint(0, 19, (3, 9))
    optimizer = optim.Adafactor(scale_parameter=True, relative_step=False, learning_rate=1e-2, warmup_init=False)

    def loss(model, tokens):
        logits, _ = model(tokens[:, :-1])
        mask = tokens[:, 1:] != 0
        losses = nn.losses.cross_entropy(logits, tokens[:, 1:]) * mask
        return losses.sum() / mask.sum(), mask.sum()

    step = nn.value_and_grad(model, loss)
    found = []
    for _ in range(3):
        (value, count), grads = step(model, tokens)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state)
        found.append((value, count))
    whole, _ = model.mamba(model.embed(tokens))
    cache, parts = None, []
    for t in range(tokens.shape[1]):
        y, cache = model.mamba(model.embed(tokens[:, t : t + 1]), cache)
        parts.append(y)
    alibi = nn.ALiBi()(mx.zeros((1, 3, 4, 6)), offset=2)
    beams = beam(model, tokens[:1, :4], 3, 3)
    return {
        "found": found,
        "same": mx.allclose(whole, mx.concatenate(parts, axis=1), atol=1e-5),
        "alibi": alibi,
        "beams": [tokens for tokens, _ in beams],
        "scores": mx.array([score for _, score in beams]),
        "sinusoid": nn.SinusoidalPositionalEncoding(8, max_freq=1, cos_first=True)(mx.arange(5)),
    }
