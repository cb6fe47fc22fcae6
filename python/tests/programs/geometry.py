"""Flows, fields and graphs: Jacobians by vmap, gradients of derivatives, messages along edges, solvers."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


class Coupling(nn.Module):
    def __init__(self, dims, hidden, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(dims // 2, hidden), nn.Tanh(), nn.Linear(hidden, dims))

    def __call__(self, x):
        a, b = mx.split(x, 2, axis=-1)
        if self.flip:
            a, b = b, a
        shift, scale = mx.split(self.net(a), 2, axis=-1)
        scale = mx.tanh(scale)
        b = b * mx.exp(scale) + shift
        return mx.concatenate([b, a] if self.flip else [a, b], axis=-1), scale.sum(-1)


def jacobian(f, x):
    basis = mx.eye(x.size)
    return mx.vmap(lambda v: mx.jvp(f, [x], [v])[1][0], out_axes=1)(basis)


def hessian(f, x):
    return mx.vmap(lambda v: mx.vjp(mx.grad(f), [x], [v])[1][0])(mx.eye(x.size))


class Attention(nn.Module):
    def __init__(self, dims, heads):
        super().__init__()
        self.heads = heads
        self.w = nn.Linear(dims, dims, bias=False)
        self.a = nn.init.glorot_uniform()(mx.zeros((heads, 2 * dims // heads)))

    def __call__(self, x, edges):
        n = x.shape[0]
        h = self.w(x).reshape(n, self.heads, -1)
        source, target = edges
        both = mx.concatenate([h[source], h[target]], axis=-1)
        scores = nn.leaky_relu(mx.sum(both * self.a, axis=-1), 0.2)
        peak = mx.full((n, self.heads), -1e9).at[target].maximum(scores)
        weights = mx.exp(scores - peak[target])
        total = mx.zeros((n, self.heads)).at[target].add(weights)
        weights = weights / (total[target] + 1e-9)
        out = mx.zeros_like(h).at[target].add(weights[..., None] * h[source])
        return out.reshape(n, -1)


def conjugate_gradient(A, b, steps):
    x = mx.zeros_like(b)
    r = b - A @ x
    p, rs = r, (r * r).sum()
    for _ in range(steps):
        Ap = A @ p
        alpha = rs / (p * Ap).sum()
        x = x + alpha * p
        r = r - alpha * Ap
        new = (r * r).sum()
        p, rs = r + (new / rs) * p, new
    return x


def main(folder):
    mx.random.seed(9)
    layers = [Coupling(4, 8, bool(i % 2)) for i in range(4)]
    model = nn.Sequential(*layers)

    def flow(x):
        total = mx.zeros(x.shape[:-1])
        for layer in layers:
            x, d = layer(x)
            total = total + d
        return x, total

    x = mx.random.normal((5, 4))
    y, logdet = flow(x)
    J = mx.stack([jacobian(lambda v: flow(v)[0], row) for row in x])
    dets = mx.linalg.slogdet(J, stream=mx.cpu)[1]

    def nll(model, x):
        z, d = flow(x)
        return (0.5 * (z**2).sum(-1) - d).mean()

    optimizer = optim.AdaDelta(1.0)
    step = nn.value_and_grad(model, nll)
    losses = []
    for _ in range(3):
        value, grads = step(model, x)
        optimizer.update(model, grads)
        mx.eval(model.parameters())
        losses.append(value)
    field = lambda p: mx.sin(p[0]) * mx.exp(-p[1] ** 2) + p[2] * p[0]
    point = mx.array([0.3, -0.2, 1.5])
    edges = mx.array([[0, 1, 2, 3, 3, 4, 0], [1, 2, 0, 2, 4, 3, 4]])
    gat = Attention(8, 2)
    nodes = mx.random.normal((5, 8))
    grads = nn.value_and_grad(gat, lambda m, v: (m(v, edges) ** 2).sum())(gat, nodes)
    M = mx.random.normal((6, 6))
    A = M @ M.T + 3 * mx.eye(6)
    b = mx.random.normal((6,))
    L = mx.linalg.cholesky(A, stream=mx.cpu)
    z = mx.linalg.solve_triangular(L.T, mx.linalg.solve_triangular(L, b[:, None], stream=mx.cpu), upper=True, stream=mx.cpu)
    adjacency = mx.zeros((5, 5))
    adjacency[edges[1], edges[0]] = 1.0
    ranks = mx.full((5,), 0.2)
    transition = adjacency / mx.maximum(adjacency.sum(0), 1)
    for _ in range(20):
        ranks = 0.85 * transition @ ranks + 0.03
    points = mx.random.uniform(shape=(7, 2))
    distances = mx.linalg.norm(points[:, None] - points[None], axis=-1)
    near = mx.argpartition(distances, 3, axis=1)[:, :3]
    spectrum = mx.fft.fftshift(mx.fft.fft2(mx.random.normal((8, 8))))
    return {
        "flow": (y, logdet),
        "agree": mx.allclose(dets, logdet, atol=1e-4),
        "losses": losses,
        "hessian": hessian(field, point),
        "jacobian": J[0],
        "gat": grads,
        "solve": conjugate_gradient(A, b, 8),
        "close": mx.allclose(z.squeeze(), conjugate_gradient(A, b, 12), atol=1e-3),
        "ranks": ranks,
        "near": mx.sort(near, axis=1),
        "spectrum": mx.abs(spectrum),
        "roll": mx.roll(points, (1, 2), (0, 1)),
        "grid": mx.meshgrid(mx.arange(3), mx.linspace(0, 1, 4), indexing="ij"),
    }
