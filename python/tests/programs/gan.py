"""A generative adversarial network with a gradient penalty, which differentiates gradients."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten


class Generator(nn.Module):
    def __init__(self, latent=6):
        super().__init__()
        self.project = nn.Linear(latent, 4 * 4 * 8)
        self.up1 = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.norm1 = nn.BatchNorm(8)
        self.up2 = nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1, bias=False)
        self.norm2 = nn.InstanceNorm(4, affine=True)
        self.out = nn.Conv2d(4, 1, 3, padding=1)

    def __call__(self, z):
        x = nn.relu(self.project(z)).reshape(-1, 4, 4, 8)
        x = nn.leaky_relu(self.norm1(self.up1(x)), 0.2)
        x = nn.elu(self.norm2(self.up2(x)))
        return mx.tanh(self.out(x))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(1, 6, 4, stride=2, padding=1), nn.Conv2d(6, 8, 4, stride=2, padding=1, bias=False), nn.Conv2d(8, 8, 3, dilation=2, padding=2, groups=2)]
        self.norm = nn.GroupNorm(2, 8, pytorch_compatible=True)
        self.pool = nn.AvgPool2d(2, stride=2)
        self.head = nn.Linear(8 * 2 * 2, 1)
        self.act = nn.PReLU()

    def __call__(self, x):
        x = self.act(self.layers[0](x))
        x = self.act(self.norm(self.layers[1](x)))
        x = nn.softplus(self.layers[2](x))
        return self.head(self.pool(x).reshape(x.shape[0], -1)).squeeze(-1)


def penalty(critic, real, fake):
    mix = mx.random.uniform(shape=(real.shape[0], 1, 1, 1))
    between = mix * real + (1 - mix) * fake
    gradient = mx.grad(lambda x: critic(x).sum())(between)
    norms = mx.sqrt(mx.square(gradient).sum(axis=(1, 2, 3)) + 1e-12)
    return mx.mean((norms - 1) ** 2)


def main(folder):
    mx.random.seed(5)
    generator, critic = Generator(), Critic()
    g_opt, c_opt = optim.Adam(2e-3, betas=[0.5, 0.9], bias_correction=True), optim.RMSprop(1e-3)
    real = mx.tanh(mx.random.normal((6, 16, 16, 1)))

    def critic_loss(critic, real, fake):
        return critic(fake).mean() - critic(real).mean() + 10 * penalty(critic, real, fake)

    def generator_loss(generator, z):
        return -critic(generator(z)).mean()

    c_step, g_step = nn.value_and_grad(critic, critic_loss), nn.value_and_grad(generator, generator_loss)
    history = []
    for index in range(4):
        z = mx.random.normal((6, 6))
        loss_c, grads = c_step(critic, real, mx.stop_gradient(generator(z)))
        c_opt.update(critic, grads)
        loss_g, grads = g_step(generator, z)
        if index == 2:
            grads = optim.clip_grad_norm(grads, 0.5)[0]
        g_opt.update(generator, grads)
        mx.eval(generator.parameters(), critic.parameters(), g_opt.state, c_opt.state)
        history.append((loss_c, loss_g))
    generator.eval()
    sample = generator(mx.random.normal((2, 6)))
    hinge = nn.losses.hinge_loss(critic(sample), mx.array([1.0, -1.0]))
    return {
        "history": history,
        "sample": sample,
        "hinge": hinge,
        "running": (generator.norm1.running_mean, generator.norm1.running_var),
        "names": [k for k, _ in tree_flatten(generator.parameters())],
        "steps": (g_opt.step, c_opt.step),
    }
