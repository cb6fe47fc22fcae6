"""Programs written for many processes, run by one: groups, collectives, sharded layers."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.nn.layers.distributed import shard_inplace, shard_linear
from mlx.utils import tree_flatten, tree_map


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)

    def shard(self, group=None):
        group = group or mx.distributed.init()
        self.up = shard_linear(self.up, "all-to-sharded", group=group)
        self.down = nn.layers.distributed.shard_linear(self.down, sharding="sharded-to-all", group=group)

    def __call__(self, x):
        return self.down(nn.relu(self.up(x)))


def main(folder):
    mx.random.seed(19)
    group = mx.distributed.init()
    x = mx.random.normal((4, 8))
    out = {
        "group": [group.rank(), group.size()], "available": mx.distributed.is_available("mpi") in (True, False),
        "sum": mx.distributed.all_sum(x), "gather": mx.distributed.all_gather(x), "max": mx.distributed.all_max(x),
        "min": mx.distributed.all_min(x, group=group),
        "scatter": mx.distributed.sum_scatter(x),
    }
    model = MLP()
    plain = model(x)
    model.shard(group)
    out["sharded"] = [mx.allclose(plain, model(x)), str(model)]
    optimizer = optim.AdamW(1e-2)

    def loss_fn(model, x):
        return nn.losses.huber_loss(model(x), x, reduction="mean")

    losses = []
    for _ in range(2):
        loss, grads = nn.value_and_grad(model, loss_fn)(model, x)
        grads = nn.utils.average_gradients(grads)
        grads = nn.average_gradients(grads, group, all_reduce_size=64)
        optimizer.update(model, grads)
        losses.append(mx.distributed.all_sum(loss, stream=mx.cpu) / group.size())
    out["losses"] = losses
    out["all"] = tree_map(lambda g: mx.distributed.all_sum(g), grads)
    inner = nn.Linear(8, 8)
    shard_inplace(inner, "all-to-sharded", group=group)
    out["inplace"] = inner(x)
    batch = x[group.rank() :: group.size()]
    out["batch"] = batch.shape
    out["names"] = sorted(k for k, _ in tree_flatten(model.parameters()))
    for name, call in {
        "send": lambda: mx.distributed.send(x, 0), "recv": lambda: mx.distributed.recv((2,), mx.float32, 0),
        "recv_like": lambda: mx.distributed.recv_like(x, 0), "strict": lambda: mx.distributed.init(strict=True),
        "backend": lambda: mx.distributed.init(backend="nothing"), "split": lambda: group.split(0),
    }.items():
        try:
            mx.eval(call())
            out[f"error {name}"] = "none"
        except Exception as error:
            out[f"error {name}"] = type(error).__name__
    return out
