"""A neural audio codec: causal convolutions with weight norm, an LSTM, residual vector quantization."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np


def snake(x, alpha):
    return x + mx.square(mx.sin(alpha * x)) * mx.reciprocal(alpha + 1e-9)


class WeightNormConv1d(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1, dilation=1, groups=1):
        super().__init__()
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.padding = (kernel - 1) * dilation - (stride - 1)
        init = nn.init.he_uniform()
        self.v = init(mx.zeros((outputs, kernel * (inputs // groups)))).reshape(outputs, kernel, inputs // groups)
        self.g = mx.linalg.norm(self.v.reshape(outputs, -1), axis=-1)[:, None, None]
        self.bias = mx.zeros((outputs,))

    def __call__(self, x):
        w = self.g * self.v / mx.sqrt((self.v**2).sum(axis=(1, 2), keepdims=True))
        x = mx.pad(x, ((0, 0), (self.padding, 0), (0, 0)))
        return mx.conv1d(x, w, stride=self.stride, dilation=self.dilation, groups=self.groups) + self.bias


class Residual(nn.Module):
    def __init__(self, dims, dilation):
        super().__init__()
        self.alpha = mx.ones((1, 1, dims))
        self.conv1 = WeightNormConv1d(dims, dims, 3, dilation=dilation, groups=2)
        self.conv2 = WeightNormConv1d(dims, dims, 1)

    def __call__(self, x):
        return x + self.conv2(nn.elu(self.conv1(snake(x, self.alpha))))


class Codebook(nn.Module):
    def __init__(self, dims, size):
        super().__init__()
        self.embed = mx.random.normal((size, dims))

    def encode(self, x):
        flat = x.reshape(-1, x.shape[-1])
        embed = self.embed.T
        distance = -(flat.square().sum(axis=1, keepdims=True) - 2 * flat @ embed + embed.square().sum(axis=0, keepdims=True))
        return distance.argmax(axis=-1).reshape(*x.shape[:-1])

    def decode(self, indices):
        return self.embed[indices]


class Codec(nn.Module):
    def __init__(self, dims=16):
        super().__init__()
        self.inner = WeightNormConv1d(1, dims, 7)
        self.residuals = [Residual(dims, d) for d in (1, 3)]
        self.down = WeightNormConv1d(dims, dims, 4, stride=2)
        self.lstm = nn.LSTM(dims, dims)
        self.books = [Codebook(dims, 24) for _ in range(3)]
        self.up = nn.ConvTranspose1d(dims, dims, 4, stride=2)
        self.final = WeightNormConv1d(dims, 1, 7)

    def encode(self, x):
        x = self.inner(x)
        for block in self.residuals:
            x = block(x)
        x = self.down(nn.elu(x))
        return x + self.lstm(x)[0]

    def quantize(self, x):
        codes, residual, out = [], x, mx.zeros_like(x)
        for book in self.books:
            code = mx.stop_gradient(book.encode(residual))
            quantized = book.decode(code)
            residual, out = residual - quantized, out + quantized
            codes.append(code)
        return mx.stack(codes, axis=1), x + mx.stop_gradient(out - x), residual

    def decode(self, x):
        return mx.tanh(self.final(nn.elu(self.up(x)[:, :-2])))

    def __call__(self, x):
        latent = self.encode(x)
        codes, quantized, residual = self.quantize(latent)
        return self.decode(quantized), codes, residual.square().mean()


def main(folder):
    mx.random.seed(41)
    model = Codec()
    t = np.linspace(0, 1, 64, dtype=np.float32)
    audio = mx.array(np.stack([np.sin(20 * t), np.cos(13 * t)]))[..., None]
    wave, codes, commitment = model(audio)

    def loss_fn(model, x):
        y, _, commitment = model(x)
        spectral = mx.abs(mx.abs(mx.fft.rfft(y[..., 0])) - mx.abs(mx.fft.rfft(x[..., 0]))).mean()
        return nn.losses.l1_loss(y, x) + 0.1 * commitment + 0.01 * spectral

    loss, grads = nn.value_and_grad(model, loss_fn)(model, audio)
    depthwise = mx.conv_general(audio.swapaxes(1, 2).reshape(1, 64, 2), mx.ones((2, 5, 1)), padding=([4], [0]), groups=2)
    return {
        "wave": wave, "codes": codes, "commitment": commitment, "loss": loss, "grads": grads,
        "depthwise": depthwise, "flipped": mx.conv_general(audio, mx.arange(3.0).reshape(1, 3, 1), flip=True, input_dilation=2),
        "transpose": mx.conv_transpose1d(audio, mx.ones((2, 3, 1)), stride=3, output_padding=1),
        "norms": [nn.InstanceNorm(1)(audio), nn.GroupNorm(1, 1)(audio)], "windows": [mx.hanning(5), mx.hamming(5), mx.blackman(5)],
        "bits": (mx.array([1, 2, 255], mx.uint8) << 1) ^ 3, "packed": mx.view(mx.array([1, 2, 3, 4], mx.uint8), mx.uint32),
    }
