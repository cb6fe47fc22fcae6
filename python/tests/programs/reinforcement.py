"""A policy trained by clipped ratios, on rollouts with scans backwards and scatter updates."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


class Actor(nn.Module):
    def __init__(self, observed, actions):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(observed, 32), nn.ELU(), nn.Linear(32, 32), nn.Mish())
        self.policy, self.value = nn.Linear(32, actions), nn.Linear(32, 1)
        self.log_std = mx.full((actions,), -0.5)

    def __call__(self, x):
        h = self.trunk(x)
        return self.policy(h), self.value(h).squeeze(-1)


def log_prob(mean, log_std, action):
    z = (action - mean) / mx.exp(log_std)
    return (-0.5 * z * z - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def advantages(rewards, values, dones, gamma=0.95, lam=0.9):
    out, last = mx.zeros_like(rewards), mx.zeros(rewards.shape[1:])
    for t in range(rewards.shape[0] - 1, -1, -1):
        alive = 1.0 - dones[t]
        delta = rewards[t] + gamma * values[t + 1] * alive - values[t]
        last = delta + gamma * lam * alive * last
        out[t] = last
    return out


def main(folder):
    mx.random.seed(37)
    actor = Actor(4, 2)
    actor.policy.weight = nn.init.normal(0.0, 0.01)(actor.policy.weight)
    optimizer = optim.Adam(3e-3, eps=1e-5)
    T, N = 6, 3
    observations = mx.random.normal((T + 1, N, 4))
    mean, values = actor(observations)
    actions = mean[:-1] + mx.exp(actor.log_std) * mx.random.normal((T, N, 2))
    rewards = -mx.abs(actions).sum(-1)
    dones = mx.random.bernoulli(0.2, (T, N)).astype(mx.float32)
    gains = advantages(rewards, values, dones)
    returns = gains + values[:-1]
    old = mx.stop_gradient(log_prob(mean[:-1], actor.log_std, actions))
    flat = lambda x: mx.flatten(x, 0, 1)
    batch = [flat(v) for v in (observations[:-1], actions, gains, returns, old)]
    mx.eval(batch)

    def loss_fn(model, o, a, g, r, before):
        mean, value = model(o)
        g = (g - g.mean()) / (mx.sqrt(g.var(ddof=1)) + 1e-8)
        ratio = mx.exp(log_prob(mean, model.log_std, a) - before)
        policy = mx.maximum(-g * ratio, -g * mx.clip(ratio, 0.8, 1.2)).mean()
        entropy = (model.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()
        return policy + 0.5 * nn.losses.smooth_l1_loss(value, r) - 0.01 * entropy, (policy, entropy)

    step = nn.value_and_grad(actor, loss_fn)
    losses = []
    for _ in range(3):
        order = mx.random.permutation(T * N)
        for part in mx.split(order, 3):
            (loss, extra), grads = step(actor, *[v[part] for v in batch])
            grads, _ = optim.clip_grad_norm(grads, 0.5)
            optimizer.update(actor, grads)
            mx.eval(actor.parameters(), optimizer.state)
        losses.append([loss, *extra])
    # a table of values by state, updated in place, and a tree of priorities
    table = mx.zeros((5, 3))
    states, chosen = mx.array([0, 3, 3, 1]), mx.array([2, 0, 0, 1])
    table = table.at[states, chosen].add(mx.array([1.0, 2.0, 3.0, 4.0]))
    table[1:3, :2] = 7
    table[states] *= 0.5
    table[mx.array([4]), :] = mx.array([1, 2, 3])
    priorities = mx.random.uniform(shape=(16,))
    drawn = mx.searchsorted(mx.cumsum(priorities), mx.random.uniform(shape=(5,)) * priorities.sum())
    return {
        "losses": losses, "gains": gains, "table": table, "maximum": table.at[0].maximum(0.5),
        "drawn": drawn, "best": mx.take_along_axis(table, mx.argmax(table, axis=1, keepdims=True), axis=1),
        "log_std": actor.log_std, "one hot": (chosen[:, None] == mx.arange(3)).astype(mx.float32),
        "discount": mx.cumsum(rewards[::-1], axis=0)[::-1], "median": mx.median(rewards, axis=0),
        "log loss": nn.losses.log_cosh_loss(values, values * 1.1, reduction="sum"),
    }
