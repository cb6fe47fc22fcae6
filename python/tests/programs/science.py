"""Scientific programs: derivatives of derivatives, vmap, custom rules, checkpoints, solvers."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


@mx.custom_function
def straight_through(x):
    return mx.round(x)


@straight_through.vjp
def straight_through_vjp(primals, cotangent, output):
    return cotangent


class Sine(nn.Module):
    def __init__(self, w0=5.0):
        super().__init__()
        self.w0 = w0

    def __call__(self, x):
        return mx.sin(self.w0 * x)


def hessian(f):
    return mx.vmap(lambda v, x: mx.jvp(mx.grad(f), (x,), (v,))[1][0], in_axes=(0, None))


def rosenbrock(x):
    return mx.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def newton(f, x, steps=6):
    for _ in range(steps):
        H = hessian(f)(mx.eye(x.size), x)
        x = x - mx.linalg.solve(H, mx.grad(f)(x), stream=mx.cpu)
    return x


def main(folder):
    mx.random.seed(29)
    model = nn.Sequential(nn.Linear(1, 16), Sine(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))

    def residual(model, t):
        u = lambda t: model(t[None])[0, 0]
        du = mx.grad(u)
        d2u = mx.grad(lambda t: du(t).sum())
        return d2u(t)[0] + u(t)

    def loss_fn(model, ts):
        r = mx.vmap(lambda t: residual(model, t), in_axes=0)(ts)
        start = model(mx.zeros((1, 1)))[0, 0] - 1
        return r.square().mean() + start.square()

    ts = mx.linspace(0, 1, 8)[:, None]
    optimizer, losses = optim.Adam(5e-3), []
    for _ in range(3):
        loss, grads = nn.value_and_grad(model, loss_fn)(model, ts)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state)
        losses.append(loss)
    x = mx.array([0.8, 0.7, 0.6])
    layer = mx.checkpoint(lambda w, x: mx.tanh(x @ w) @ w)
    w = mx.random.normal((4, 4))
    primal, tangents = mx.vjp(lambda a, b: [a * b, a.sum()], [x, x + 1], [mx.ones((3,)), mx.array(2.0)])
    A = mx.random.normal((5, 5))
    spd = A @ A.T + 5 * mx.eye(5)
    with mx.stream(mx.cpu):
        L = mx.linalg.cholesky(spd)
        U, S, Vt = mx.linalg.svd(A)
        Q, R = mx.linalg.qr(A)
        values, vectors = mx.linalg.eigh(spd)
        algebra = {
            "L": L, "S": S, "usv": (U * S) @ Vt, "qr": Q @ R, "values": values,
            "inverse": mx.linalg.inv(spd), "pinv": mx.linalg.pinv(A[:, :3]), "det": mx.linalg.det(spd),
            "slogdet": mx.linalg.slogdet(spd), "triangular": mx.linalg.solve_triangular(L, mx.ones((5, 1)), upper=False),
            "norms": [mx.linalg.norm(A, ord=o) for o in (None, "fro", "nuc", 2, -2, 1, mx.inf)],
            "cross": mx.linalg.cross(x, x[::-1]), "lu": mx.linalg.lu(A)[1], "eigh": mx.abs(vectors),
        }
    signal = mx.sin(2 * math.pi * mx.arange(64) * 5 / 64)
    spectrum = mx.fft.rfft(signal)
    return {
        "losses": losses, "hessian": hessian(rosenbrock)(mx.eye(3), x), "newton": newton(rosenbrock, x),
        "round": mx.grad(lambda x: (straight_through(x) * x).sum())(x),
        "checkpoint": mx.grad(lambda w: layer(w, w[:2]).sum())(w), "vjp": [primal, tangents],
        "jvp": mx.jvp(lambda a: mx.logsumexp(a), [x], [mx.ones((3,))]),
        "per sample": mx.vmap(mx.grad(lambda x, y: ((x - y) ** 2).sum()), in_axes=(0, None))(A, A[0]),
        "algebra": algebra, "peak": mx.argmax(mx.abs(spectrum)), "filtered": mx.fft.irfft(spectrum * (mx.arange(33) < 8), n=64),
        "einsum": mx.einsum("ij,kj,k->i", A, spd, A[0]), "tensordot": mx.tensordot(A, spd, axes=[[0], [1]]),
        "kron": mx.kron(A[:2, :2], mx.eye(2)), "convolve": mx.convolve(signal[:10], mx.array([0.25, 0.5, 0.25]), mode="same"),
        "value": mx.value_and_grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": x, "b": [x]}),
    }
