"""Denoising diffusion: a U-Net with time embedding, group norms, attention, up and down sampling."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_map


def upsample_nearest(x, scale=2):
    B, H, W, C = x.shape
    x = mx.broadcast_to(x[:, :, None, :, None, :], (B, H, scale, W, scale, C))
    return x.reshape(B, H * scale, W * scale, C)


class ResnetBlock(nn.Module):
    def __init__(self, in_channels, out_channels, temb):
        super().__init__()
        self.norm1 = nn.GroupNorm(4, in_channels, pytorch_compatible=True)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(temb, out_channels)
        self.norm2 = nn.GroupNorm(4, out_channels, pytorch_compatible=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if in_channels != out_channels:
            self.conv_shortcut = nn.Linear(in_channels, out_channels)

    def __call__(self, x, temb):
        temb = self.time_emb_proj(nn.silu(temb))
        y = self.conv1(nn.silu(self.norm1(x))) + temb[:, None, None, :]
        y = self.conv2(nn.silu(self.norm2(y)))
        return y + (x if "conv_shortcut" not in self else self.conv_shortcut(x))


class Attention(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.group_norm = nn.GroupNorm(4, dims, pytorch_compatible=True)
        self.query_proj = nn.Linear(dims, dims)
        self.key_proj = nn.Linear(dims, dims)
        self.value_proj = nn.Linear(dims, dims)
        self.out_proj = nn.Linear(dims, dims)

    def __call__(self, x):
        B, H, W, C = x.shape
        y = self.group_norm(x)
        q, k, v = (p(y).reshape(B, H * W, C) for p in (self.query_proj, self.key_proj, self.value_proj))
        scores = (q * (1 / math.sqrt(C))) @ k.transpose(0, 2, 1)
        y = mx.softmax(scores, axis=-1) @ v
        return x + self.out_proj(y).reshape(B, H, W, C)


class UNet(nn.Module):
    def __init__(self, channels=(8, 16), temb=32):
        super().__init__()
        self.conv_in = nn.Conv2d(1, channels[0], 3, padding=1)
        self.timesteps = nn.SinusoidalPositionalEncoding(
            channels[0], max_freq=1, min_freq=math.exp(-math.log(10000) + 2 * math.log(10000) / channels[0]),
            scale=1.0, cos_first=True, full_turns=False,
        )
        self.time1, self.time2 = nn.Linear(channels[0], temb), nn.Linear(temb, temb)
        self.down = [ResnetBlock(channels[0], channels[0], temb), ResnetBlock(channels[0], channels[1], temb)]
        self.downsample = nn.Conv2d(channels[0], channels[0], 3, stride=2, padding=1)
        self.mid = [ResnetBlock(channels[1], channels[1], temb), Attention(channels[1])]
        self.up = [ResnetBlock(2 * channels[1], channels[0], temb), ResnetBlock(2 * channels[0], channels[0], temb)]
        self.upsample = nn.ConvTranspose2d(channels[0], channels[0], 4, stride=2, padding=1)
        self.smooth = nn.Upsample(scale_factor=0.5, mode="linear", align_corners=True)
        self.conv_norm_out = nn.GroupNorm(4, channels[0], pytorch_compatible=True)
        self.conv_out = nn.Conv2d(channels[0], 1, 3, padding=1)

    def __call__(self, x, t):
        temb = self.timesteps(t).astype(x.dtype)
        temb = self.time2(nn.silu(self.time1(temb)))
        x = self.conv_in(x)
        first = self.down[0](x, temb)
        second = self.down[1](self.downsample(first), temb)
        x = self.mid[1](self.mid[0](second, temb))
        x = self.up[0](mx.concatenate([x, second], axis=-1), temb)
        x = self.upsample(x) + self.smooth(upsample_nearest(upsample_nearest(x)))
        x = self.up[1](mx.concatenate([x, first], axis=-1), temb)
        return self.conv_out(nn.silu(self.conv_norm_out(x)))


class Sampler:
    def __init__(self, steps=20):
        betas = mx.square(mx.linspace(0.00085**0.5, 0.3**0.5, steps))
        cumulative = mx.cumprod(1 - betas)
        self.sigmas = mx.concatenate([mx.zeros(1), mx.sqrt((1 - cumulative) / cumulative)])

    def sigma(self, t):
        low, high = mx.floor(t).astype(mx.int32), mx.ceil(t).astype(mx.int32)
        part = t - low
        return self.sigmas[low] * (1 - part) + self.sigmas[high] * part

    def add_noise(self, x, t, key=None):
        noise = mx.random.normal(x.shape, key=key)
        s = self.sigma(t)
        return (x + noise * s) * mx.rsqrt(s.square() + 1), noise

    def step(self, prediction, x, t, t_prev):
        s, s_prev = self.sigma(t), self.sigma(t_prev)
        x = mx.sqrt(s.square() + 1) * x + prediction * (s_prev - s)
        return x * mx.rsqrt(s_prev.square() + 1)


def main(folder):
    mx.random.seed(6)
    model, sampler = UNet(), Sampler()
    ema = tree_map(lambda p: p, model.parameters())
    optimizer = optim.Adam(learning_rate=2e-3)
    images = mx.random.normal((3, 8, 8, 1))

    def loss_fn(model, x, key):
        t_key, noise_key = mx.random.split(key)
        t = mx.random.uniform(1, 20, (x.shape[0],), key=t_key)
        noisy, noise = sampler.add_noise(x, t[:, None, None, None], key=noise_key)
        return (model(noisy, t) - noise).square().mean()

    step = nn.value_and_grad(model, loss_fn)
    losses = []
    for key in mx.random.split(mx.random.key(0), 3):
        loss, grads = step(model, images, key)
        optimizer.update(model, grads)
        ema = tree_map(lambda e, p: 0.9 * e + 0.1 * p, ema, model.parameters())
        mx.eval(model.parameters(), optimizer.state, ema)
        losses.append(loss)
    model.update(ema)
    x = mx.random.normal((2, 8, 8, 1), key=mx.random.key(3))
    times = mx.linspace(20, 0, 5).tolist()
    for t, t_prev in zip(times[:-1], times[1:]):
        prediction = model(x, mx.full((2,), t))
        x = sampler.step(prediction, x, mx.array(t), mx.array(t_prev))
        mx.eval(x)
    return {"losses": losses, "sigmas": sampler.sigmas, "sample": x, "print": str(model)}
