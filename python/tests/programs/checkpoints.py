"""Optimizers with schedules; their state and the model's saved, loaded, and training resumed."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_map, tree_merge, tree_reduce, tree_unflatten


def network():
    mx.random.seed(12)
    return nn.Sequential(
        nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 16), nn.PReLU(), nn.LayerNorm(16),
        nn.Linear(16, 3),
    )


OPTIMIZERS = {
    "sgd": lambda: optim.SGD(optim.exponential_decay(0.1, 0.9), momentum=0.9, dampening=0.1),
    "rmsprop": lambda: optim.RMSprop(1e-2, alpha=0.9),
    "adagrad": lambda: optim.Adagrad(1e-1),
    "adadelta": lambda: optim.AdaDelta(1.0),
    "adam": lambda: optim.Adam(optim.linear_schedule(1e-3, 1e-2, 4), bias_correction=True),
    "adamw": lambda: optim.AdamW(optim.cosine_decay(1e-2, 5), bias_correction=False),
    "adamax": lambda: optim.Adamax(1e-2),
    "lion": lambda: optim.Lion(1e-3, weight_decay=0.1),
    "adafactor": lambda: optim.Adafactor(),
    "adafactor2": lambda: optim.Adafactor(1e-2, relative_step=False, beta_1=0.9, weight_decay=0.01),
    "muon": lambda: optim.Muon(1e-2),
    "multi": lambda: optim.MultiOptimizer(
        [optim.Muon(1e-2), optim.AdamW(1e-3)],
        [lambda path, weight: weight.ndim >= 2 and "layers.3" in path],
    ),
}


def train(model, optimizer, x, y, steps):
    def loss_fn(model):
        return nn.losses.cross_entropy(model(x), y, reduction="mean")

    step = nn.value_and_grad(model, loss_fn)
    losses = []
    for _ in range(steps):
        loss, grads = step(model)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state)
        losses.append(loss)
    return losses


def run(name, folder):
    model, optimizer = network(), OPTIMIZERS[name]()
    x, y = mx.random.normal((10, 6)), mx.random.randint(0, 3, (10,))
    optimizer.init(model.trainable_parameters())
    initial = {k: getattr(v, "shape", v) for k, v in tree_flatten(optimizer.state)}
    first = train(model, optimizer, x, y, 3)
    model.save_weights(str(folder / f"{name}.npz"))
    state = tree_flatten(optimizer.state, destination={})
    mx.save_safetensors(str(folder / f"{name}.safetensors"), state)
    mx.random.seed(1)
    second = train(model, optimizer, x, y, 2)
    model2, optimizer2 = network(), OPTIMIZERS[name]()
    model2.load_weights(str(folder / f"{name}.npz"))
    optimizer2.state = tree_unflatten(list(mx.load(str(folder / f"{name}.safetensors")).items()))
    mx.random.seed(1)
    again = train(model2, optimizer2, x, y, 2)
    return {
        "initial": initial, "losses": first + second,
        "resumed": all(mx.allclose(a, b, rtol=1e-5).item() for a, b in zip(second, again)),
        "state": tree_map(lambda s: s * 1.0, optimizer.state), "parameters": model.parameters(),
        "rate": optimizer.state.get("learning_rate"),
    }


def main(folder):
    out = {name: run(name, folder) for name in OPTIMIZERS}
    model = network()
    flat = tree_flatten(model.parameters())
    out["names"] = [k for k, _ in flat]
    out["norm"] = tree_reduce(lambda acc, p: acc + p.square().sum(), model.parameters(), mx.array(0.0))
    out["merged"] = tree_merge({"a": mx.ones(2)}, {"b": [mx.zeros(1)]})
    out["averaged"] = tree_map(lambda a, b: (a + b) / 2, model.parameters(), model.parameters())
    return out
