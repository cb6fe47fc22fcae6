"""A vision transformer: mixed batches, several optimizers with schedules, averaged weights, resumed training."""

import math
from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map, tree_map_with_path, tree_merge, tree_reduce, tree_unflatten


class PatchEmbed(nn.Module):
    def __init__(self, size=16, patch=4, channels=3, dims=24):
        super().__init__()
        self.grid = size // patch
        self.proj = nn.Conv2d(channels, dims, kernel_size=patch, stride=patch)

    def __call__(self, x):
        return self.proj(x).flatten(1, 2)


class Block(nn.Module):
    def __init__(self, dims, heads, ratio=2.0, drop=0.1, init=0.1):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dims, eps=1e-6), nn.LayerNorm(dims, eps=1e-6)
        self.attn = nn.MultiHeadAttention(dims, heads, bias=True)
        self.mlp = nn.Sequential(nn.Linear(dims, int(dims * ratio)), nn.GELU(approx="precise"), nn.Dropout(drop), nn.Linear(int(dims * ratio), dims))
        self.scale = mx.full((2, dims), init)

    def __call__(self, x):
        y = self.norm1(x)
        x = x + self.scale[0] * self.attn(y, y, y)
        return x + self.scale[1] * self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, classes=5, dims=24, depth=2, heads=3):
        super().__init__()
        self.patch_embed = PatchEmbed(dims=dims)
        self.cls_token = mx.zeros((1, 1, dims))
        self.pos_embed = mx.random.normal((1, self.patch_embed.grid**2 + 1, dims)) * 0.02
        self.blocks = [Block(dims, heads) for _ in range(depth)]
        self.norm = nn.LayerNorm(dims)
        self.head = nn.Linear(dims, classes)

    def positions(self, tokens):
        grid = self.patch_embed.grid
        new = math.isqrt(tokens)
        if new == grid:
            return self.pos_embed
        cls, rest = mx.split(self.pos_embed, [1], axis=1)
        square = rest.reshape(1, grid, grid, -1)
        up = nn.Upsample(scale_factor=(new / grid, new / grid), mode="cubic", align_corners=False)(square)
        return mx.concatenate([cls, up.reshape(1, new * new, -1)], axis=1)

    def __call__(self, x):
        x = self.patch_embed(x)
        pos = self.positions(x.shape[1])
        cls = mx.broadcast_to(self.cls_token, (x.shape[0], 1, x.shape[-1]))
        x = mx.concatenate([cls, x], axis=1) + pos
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def mixup(x, y, classes, alpha):
    lam = mx.random.uniform(shape=(x.shape[0], 1))
    order = mx.random.permutation(x.shape[0])
    hot = mx.eye(classes)[y]
    return lam[:, :, None, None] * x + (1 - lam[:, :, None, None]) * x[order], lam * hot + (1 - lam) * hot[order]


def decays(path, value):
    return value.ndim == 2 and "pos" not in path


def main(folder):
    mx.random.seed(3)
    model = ViT()
    warm = optim.linear_schedule(0.0, 3e-3, 4)
    cosine = optim.cosine_decay(3e-3, 12, 1e-4)
    schedule = optim.join_schedules([warm, cosine], [4])
    optimizer = optim.MultiOptimizer(
        [optim.Muon(0.01, momentum=0.9, weight_decay=0.01), optim.AdamW(schedule, betas=[0.9, 0.95], weight_decay=0.05), optim.Lion(1e-4)],
        [lambda name, g: g.ndim == 2 and "mlp" in name, lambda name, g: "attn" in name or "proj" in name],
    )
    images = mx.random.normal((8, 16, 16, 3))
    labels = mx.random.randint(0, 5, (8,))

    def loss_fn(model, x, target):
        return nn.losses.cross_entropy(model(x), target, label_smoothing=0.1, reduction="mean")

    step_fn = nn.value_and_grad(model, loss_fn)
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(x, y):
        x, target = mixup(x, y, 5, 0.2)
        loss, grads = step_fn(model, x, target)
        grads, norm = optim.clip_grad_norm(grads, 1.0)
        optimizer.update(model, grads)
        return loss, norm

    average = tree_map(lambda p: p * 1.0, model.parameters())
    losses = []
    for _ in range(6):
        loss, norm = step(images, labels)
        average = tree_map(lambda a, p: 0.9 * a + 0.1 * p, average, model.parameters())
        mx.eval(state, average)
        losses.append((loss, norm))
    mx.savez(str(folder / "optimizer.npz"), **dict(tree_flatten(optimizer.state)))
    model.save_weights(str(folder / "weights.npz"))
    model.save_weights(str(folder / "weights.safetensors"))
    resumed = ViT()
    resumed.load_weights(str(folder / "weights.npz"))
    back = tree_unflatten(list(mx.load(str(folder / "optimizer.npz")).items()))
    sizes = tree_map_with_path(lambda path, p: f"{path}:{p.size}", model.trainable_parameters())
    model.eval()
    resumed.eval()
    model.blocks[0].freeze()
    model.blocks[0].unfreeze(keys=["bias"])
    frozen = sorted(k for k, _ in tree_flatten(model.trainable_parameters()))
    total = tree_reduce(lambda t, p: t + p.size, model.parameters(), 0)
    merged = tree_merge({"a": [1, {"x": 2}]}, {"b": 3})
    return {
        "losses": losses,
        "same": mx.array_equal(model(images), resumed(images)),
        "larger": model(mx.random.normal((2, 24, 24, 3))),
        "average": average["head"],
        "state": {k: v for k, v in tree_flatten(back) if v.ndim == 0},
        "sizes": sizes["blocks"][1]["mlp"],
        "frozen": frozen,
        "total": total,
        "merged": merged,
        "printed": str(model),
        "modules": [name for name, _ in model.named_modules()],
        "rates": [schedule(mx.array(i)) for i in (0, 3, 4, 9, 30)],
    }
