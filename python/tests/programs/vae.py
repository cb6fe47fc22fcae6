"""A convolutional variational autoencoder, with upsampling and transposed convolutions."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


class UpsamplingConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False)

    def __call__(self, x):
        b, h, w, c = x.shape
        x = mx.broadcast_to(x[:, :, None, :, None, :], (b, h, 2, w, 2, c)).reshape(b, h * 2, w * 2, c)
        return self.conv(x)


class Encoder(nn.Module):
    def __init__(self, latents, image, filters):
        super().__init__()
        self.conv1 = nn.Conv2d(image[-1], filters // 2, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(filters // 2, filters, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm(filters // 2)
        self.bn2 = nn.BatchNorm(filters)
        self.output = [filters, image[0] // 4, image[1] // 4]
        flat = math.prod(self.output)
        self.proj_mu = nn.Linear(flat, latents)
        self.proj_log_var = nn.Linear(flat, latents)

    def __call__(self, x):
        x = nn.leaky_relu(self.bn1(self.conv1(x)))
        x = nn.leaky_relu(self.bn2(self.conv2(x)))
        x = mx.flatten(x, 1)
        mu, logvar = self.proj_mu(x), self.proj_log_var(x)
        sigma = mx.exp(logvar * 0.5)
        eps = mx.random.normal(sigma.shape)
        return eps * sigma + mu, mu, logvar


class Decoder(nn.Module):
    def __init__(self, latents, image, filters):
        super().__init__()
        self.input_shape = [image[0] // 4, image[1] // 4, filters]
        self.lin1 = nn.Linear(latents, math.prod(self.input_shape))
        self.upconv1 = UpsamplingConv2d(filters, filters // 2, 3, 1, 1)
        self.upconv2 = nn.ConvTranspose2d(filters // 2, image[-1], 4, stride=2, padding=1)
        self.bn1 = nn.BatchNorm(filters // 2)

    def __call__(self, z):
        x = self.lin1(z).reshape(-1, *self.input_shape)
        x = nn.leaky_relu(self.bn1(self.upconv1(x)))
        return mx.sigmoid(self.upconv2(x))


class CVAE(nn.Module):
    def __init__(self, latents=4, image=(16, 16, 1), filters=8):
        super().__init__()
        self.encoder = Encoder(latents, image, filters)
        self.decoder = Decoder(latents, image, filters)

    def __call__(self, x):
        z, mu, logvar = self.encoder(x)
        return self.decoder(z), mu, logvar


def loss_fn(model, X):
    X_recon, mu, logvar = model(X)
    recon_loss = nn.losses.mse_loss(X_recon, X, reduction="sum")
    kl_div = -0.5 * mx.sum(1 + logvar - mu.square() - logvar.exp())
    return recon_loss + kl_div


def main(folder):
    mx.random.seed(1)
    model = CVAE()
    optimizer = optim.AdamW(learning_rate=1e-3)
    step = nn.value_and_grad(model, loss_fn)
    X = mx.random.uniform(shape=(5, 16, 16, 1))
    losses = []
    for _ in range(4):
        model.train()
        loss, grads = step(model, X)
        optimizer.update(model, grads)
        mx.eval(loss, model.parameters(), optimizer.state)
        losses.append(loss.item())
    model.eval()
    model.save_weights(str(folder / "vae.npz"))
    again = CVAE()
    again.load_weights(str(folder / "vae.npz"))
    again.eval()
    mx.random.seed(2)
    recon, mu, logvar = again(X)
    grid = again.decoder(mx.random.normal((4, 4)))
    grid = mx.concatenate(mx.concatenate(grid.reshape(2, 2, 16, 16), axis=1), axis=1)
    pixels = (grid * 255).astype(mx.uint8)
    return {
        "losses": losses, "recon": recon, "mu": mu, "logvar": logvar, "grid": grid,
        "pixels": str(pixels.dtype) + str(pixels.shape),
        "bce": nn.losses.binary_cross_entropy(recon, X, with_logits=False),
        "weights": sorted((k, v.shape) for k, v in mx.load(str(folder / "vae.npz")).items()),
    }
