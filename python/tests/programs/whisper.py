"""A speech encoder and decoder: log-mel spectrogram, conv1d, cross attention, beam of one."""

import math
from functools import lru_cache

import mlx.core as mx
import mlx.nn as nn
import numpy as np

N_FFT, HOP, RATE = 64, 16, 1600


@lru_cache(maxsize=None)
def mel_filters(n_mels):
    frequencies = np.linspace(0, RATE / 2, N_FFT // 2 + 1)
    mels = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), n_mels + 2)
    points = 700 * (10 ** (mels / 2595) - 1)
    slopes = points[None] - frequencies[:, None]
    down = -slopes[:, :-2] / np.diff(points)[:-1]
    up = slopes[:, 2:] / np.diff(points)[1:]
    return mx.array(np.maximum(0, np.minimum(down, up)).T.astype(np.float32))


@lru_cache(maxsize=None)
def hanning(size):
    return mx.array(np.hanning(size + 1)[:-1])


def stft(x, window, nperseg, noverlap):
    pad = nperseg // 2
    prefix, suffix = x[1 : pad + 1][::-1], x[-(pad + 1) : -1][::-1]
    x = mx.concatenate([prefix, x, suffix])
    strides = [noverlap, 1]
    t = (x.size - nperseg + noverlap) // noverlap
    x = mx.as_strided(x, shape=[t, nperseg], strides=strides)
    return mx.fft.rfft(x * window)


def log_mel_spectrogram(audio, n_mels=8):
    if not isinstance(audio, mx.array):
        audio = mx.array(audio)
    freqs = stft(audio, hanning(N_FFT), nperseg=N_FFT, noverlap=HOP)
    magnitudes = freqs[:-1, :].abs().square()
    mel = magnitudes @ mel_filters(n_mels).T
    log_spec = mx.maximum(mel, 1e-10).log10()
    log_spec = mx.maximum(log_spec, log_spec.max() - 8.0)
    return (log_spec + 4.0) / 4.0


def sinusoids(length, channels, max_timescale=10000):
    increment = math.log(max_timescale) / (channels // 2 - 1)
    inverse = mx.exp(-increment * mx.arange(channels // 2))
    scaled = mx.arange(length)[:, None] * inverse[None, :]
    return mx.concatenate([mx.sin(scaled), mx.cos(scaled)], axis=1)


class MultiHeadAttention(nn.Module):
    def __init__(self, n_state, n_head):
        super().__init__()
        self.n_head = n_head
        self.query = nn.Linear(n_state, n_state)
        self.key = nn.Linear(n_state, n_state, bias=False)
        self.value = nn.Linear(n_state, n_state)
        self.out = nn.Linear(n_state, n_state)

    def __call__(self, x, xa=None, mask=None, kv_cache=None):
        q = self.query(x)
        if xa is None:
            k, v = self.key(x), self.value(x)
            if kv_cache is not None:
                k = mx.concatenate([kv_cache[0], k], axis=1)
                v = mx.concatenate([kv_cache[1], v], axis=1)
        elif kv_cache is None:
            k, v = self.key(xa), self.value(xa)
        else:
            k, v = kv_cache
        n_batch, n_ctx, n_state = q.shape
        scale = (n_state // self.n_head) ** -0.25
        qh = q.reshape(*q.shape[:2], self.n_head, -1).transpose(0, 2, 1, 3) * scale
        kh = k.reshape(*k.shape[:2], self.n_head, -1).transpose(0, 2, 3, 1) * scale
        vh = v.reshape(*v.shape[:2], self.n_head, -1).transpose(0, 2, 1, 3)
        qk = qh @ kh
        if mask is not None:
            qk = qk + mask[:n_ctx, :n_ctx]
        w = mx.softmax(qk, axis=-1, precise=True)
        out = (w @ vh).transpose(0, 2, 1, 3).reshape(n_batch, n_ctx, n_state)
        return self.out(out), (k, v), qk.astype(mx.float32)


class Block(nn.Module):
    def __init__(self, n_state, n_head, cross=False):
        super().__init__()
        self.attn = MultiHeadAttention(n_state, n_head)
        self.attn_ln = nn.LayerNorm(n_state)
        self.cross_attn = MultiHeadAttention(n_state, n_head) if cross else None
        self.cross_attn_ln = nn.LayerNorm(n_state) if cross else None
        self.mlp1 = nn.Linear(n_state, n_state * 4)
        self.mlp2 = nn.Linear(n_state * 4, n_state)
        self.mlp_ln = nn.LayerNorm(n_state)

    def __call__(self, x, xa=None, mask=None, kv_cache=None):
        kv, cross_kv = kv_cache if kv_cache else (None, None)
        y, kv, _ = self.attn(self.attn_ln(x), mask=mask, kv_cache=kv)
        x += y
        cross_qk = None
        if self.cross_attn:
            y, cross_kv, cross_qk = self.cross_attn(self.cross_attn_ln(x), xa, kv_cache=cross_kv)
            x += y
        x = x + self.mlp2(nn.gelu(self.mlp1(self.mlp_ln(x))))
        return x, (kv, cross_kv), cross_qk


class AudioEncoder(nn.Module):
    def __init__(self, n_mels, n_ctx, n_state, dtype):
        super().__init__()
        self.conv1 = nn.Conv1d(n_mels, n_state, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(n_state, n_state, kernel_size=3, stride=2, padding=1)
        self._positional_embedding = sinusoids(n_ctx, n_state).astype(dtype)
        self.blocks = [Block(n_state, 4) for _ in range(2)]
        self.ln_post = nn.LayerNorm(n_state)

    def __call__(self, x):
        x = nn.gelu(self.conv1(x))
        x = nn.gelu(self.conv2(x))
        assert x.shape[1:] == self._positional_embedding.shape, "incorrect audio shape"
        x = x + self._positional_embedding
        for block in self.blocks:
            x, _, _ = block(x)
        return self.ln_post(x)


class TextDecoder(nn.Module):
    def __init__(self, n_vocab, n_ctx, n_state, dtype):
        super().__init__()
        self.token_embedding = nn.Embedding(n_vocab, n_state)
        self.positional_embedding = mx.zeros((n_ctx, n_state))
        self.blocks = [Block(n_state, 4, cross=True) for _ in range(2)]
        self.ln = nn.LayerNorm(n_state)
        self._mask = nn.MultiHeadAttention.create_additive_causal_mask(n_ctx).astype(dtype)

    def __call__(self, x, xa, kv_cache=None):
        offset = kv_cache[0][0][0].shape[1] if kv_cache else 0
        x = self.token_embedding(x) + self.positional_embedding[offset : offset + x.shape[-1]]
        kv_cache = kv_cache or [None] * len(self.blocks)
        cross = [None] * len(self.blocks)
        for e, block in enumerate(self.blocks):
            x, kv_cache[e], cross[e] = block(x, xa, mask=self._mask, kv_cache=kv_cache[e])
        return self.token_embedding.as_linear(self.ln(x)), kv_cache, cross


def main(folder):
    mx.random.seed(9)
    t = np.arange(640) / RATE
    audio = (np.sin(2 * np.pi * 220 * t) + 0.3 * np.sin(2 * np.pi * 410 * t)).astype(np.float32)
    out = {}
    for dtype in (mx.float32, mx.float16):
        mel = log_mel_spectrogram(audio).astype(dtype)
        encoder, decoder = AudioEncoder(8, 20, 32, dtype), TextDecoder(19, 12, 32, dtype)
        encoder.set_dtype(dtype), decoder.set_dtype(dtype)
        features = encoder(mel[None])
        tokens = mx.array([[1, 2]])
        logits, cache, cross = decoder(tokens, features)
        history = [logits]
        for _ in range(5):
            token = mx.argmax(logits[:, -1:], axis=-1)
            logits, cache, cross = decoder(token, features, cache)
            history.append(logits)
        suppressed = mx.zeros((19,)).at[mx.array([0, 3])].add(-mx.inf)
        probabilities = mx.softmax(logits[:, -1].astype(mx.float32) + suppressed, axis=-1)
        out[str(dtype).split(".")[-1]] = {
            "mel": mel, "features": features, "logits": mx.concatenate(history, axis=1),
            "weights": mx.softmax(mx.stack(cross), axis=-1).mean(axis=(0, 2)),
            "probabilities": probabilities,
            "entropy": -(probabilities * mx.where(probabilities > 0, mx.log(probabilities), 0)).sum(),
        }
    return out
