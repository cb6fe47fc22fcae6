"""mx.compile as programs use it: state, random numbers, shapeless, decorators, gradients inside."""

from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


@partial(mx.compile, shapeless=True)
def swiglu(gate, x):
    return nn.silu(gate) * x


@mx.compile
def gelu_tanh(x):
    return 0.5 * x * (1 + mx.tanh(0.7978845608 * (x + 0.044715 * x**3)))


@partial(mx.compile, shapeless=True)
def clip_residual(x, y):
    if x.dtype != mx.float16:
        return x + y
    bound = mx.finfo(mx.float16).max
    return mx.clip(x.astype(mx.float32) + y.astype(mx.float32), -bound, bound).astype(mx.float16)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.count = mx.array(0)
        self.linear = nn.Linear(4, 4)
        self.dropout = nn.Dropout(0.3)

    def __call__(self, x):
        self.count = self.count + 1
        return self.dropout(self.linear(x))


def main(folder):
    mx.random.seed(31)
    x = mx.random.normal((3, 4))
    out = {
        "swiglu": [swiglu(x, x[::-1]), swiglu(x[:1], x[1:2]), swiglu(x[None], x)],
        "gelu": gelu_tanh(x), "clip": clip_residual(mx.full((2,), 6e4, mx.float16), mx.full((2,), 6e4, mx.float16)),
        "grad": mx.grad(lambda x: gelu_tanh(x).sum())(x),
        "compiled grad": mx.compile(mx.grad(lambda x: gelu_tanh(x).sum()))(x),
        "vmap": mx.vmap(gelu_tanh)(x),
    }
    model = Counter()
    optimizer = optim.AdamW(optim.cosine_decay(1e-2, 10))
    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(x, y):
        loss_fn = lambda model, x, y: nn.losses.mse_loss(model(x), y)
        loss, grads = nn.value_and_grad(model, loss_fn)(model, x, y)
        grads, total = optim.clip_grad_norm(grads, 0.5)
        optimizer.update(model, grads)
        return loss, total

    history = []
    for _ in range(4):
        history.append(step(x, x * 2))
        mx.eval(state)
    out.update(history=history, count=model.count, step=optimizer.step, rate=optimizer.learning_rate,
               weight=model.linear.weight)

    @mx.compile
    def traced(tree, scale=1.0, *, flip=False):
        y = tree["a"] * scale + sum(tree["b"])
        return {"y": -y if flip else y, "n": [y.sum()]}

    tree = {"a": x, "b": [x, mx.ones((4,))]}
    out["kwargs"] = [traced(tree), traced(tree, 2.0), traced(tree, scale=2.0), traced(tree, flip=True), traced(tree)]
    captured = {"bias": mx.array(1.0)}
    shifted = mx.compile(lambda x: x + captured["bias"], inputs=captured)
    first = shifted(x)
    captured["bias"] = mx.array(3.0)
    out["captured"] = [first, shifted(x)]
    noise = mx.compile(lambda x: x + mx.random.normal(x.shape), inputs=mx.random.state, outputs=mx.random.state)
    mx.random.seed(1)
    out["noise"] = [noise(x), noise(x)]
    return out
