"""Segmentation and detection: 3D and 2D convolutions, pooling, interpolation, boxes, graph layers."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


class GCN(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.lin = nn.Linear(dims, dims)

    def __call__(self, x, edges):
        source, target = edges
        degree = mx.zeros((x.shape[0],)).at[target].add(1.0)
        messages = self.lin(x)[source] / mx.sqrt(degree[source] * degree[target] + 1)[:, None]
        return nn.relu(mx.zeros_like(x).at[target].add(messages)) + x


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = [nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 8, 3, stride=2, padding=1)]
        self.norm = nn.InstanceNorm(8, affine=True)
        self.decode = nn.ConvTranspose3d(8, 4, 2, stride=2)
        self.dropout = nn.Dropout3d(0.2)
        self.out = nn.Conv3d(8, 2, 1)

    def __call__(self, x):
        skip = nn.leaky_relu(self.encode[0](x), 0.2)
        x = self.dropout(nn.leaky_relu(self.norm(self.encode[1](skip))))
        return self.out(mx.concatenate([self.decode(x), skip], axis=-1))


def dice(logits, target):
    p = mx.softmax(logits, axis=-1)[..., 1]
    return 1 - (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)


def suppress(boxes, scores, threshold=0.3):
    order, kept = mx.argsort(-scores).tolist(), []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    low, high = mx.maximum(boxes[:, None, :2], boxes[None, :, :2]), mx.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = mx.maximum(high - low, 0).prod(axis=-1)
    iou = overlap / (area[:, None] + area[None] - overlap)
    for i in order:
        if all(iou[i, j].item() < threshold for j in kept):
            kept.append(i)
    return kept, iou


def main(folder):
    mx.random.seed(47)
    model = Segmenter()
    x = mx.random.normal((2, 4, 6, 8, 1))
    target = (x[..., 0] > 0).astype(mx.float32)
    loss_fn = lambda model: dice(model(x), target) + nn.losses.binary_cross_entropy(model(x)[..., 1], target)
    optimizer, losses = optim.Muon(1e-2), []
    for _ in range(2):
        loss, grads = nn.value_and_grad(model, loss_fn)(model)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state)
        losses.append(loss)
    image = mx.random.normal((1, 7, 9, 3))
    lows = mx.random.uniform(shape=(8, 2))
    boxes = mx.concatenate([lows, lows + mx.random.uniform(0.1, 0.6, (8, 2))], axis=1)
    kept, iou = suppress(boxes, mx.random.uniform(shape=(8,)))
    graph = GCN(5)
    edges = mx.random.randint(0, 6, (2, 14))
    ys, xs = mx.meshgrid(mx.arange(3), mx.arange(2), indexing="ij")
    return {
        "losses": losses, "graph": graph(mx.random.normal((6, 5)), edges), "kept": kept, "iou": iou,
        "pools": [nn.MaxPool2d(3, 2, 1)(image), nn.AvgPool2d(2)(image), nn.MaxPool3d(2)(x), nn.AvgPool1d(3, 1, 1)(image[0])],
        "ups": [nn.Upsample(s, m, c)(image) for s, m, c in ((2, "nearest", False), ((1.5, 2), "linear", False), (2, "cubic", True))],
        "grid": mx.stack([ys, xs], axis=-1), "rows": mx.repeat(image[0, :2, :2], 2, axis=1), "tile": mx.tile(ys, (2, 2)),
        "window": mx.roll(image, shift=(-1, 2), axis=(1, 2)), "partition": image[:, :6, :8].reshape(1, 3, 2, 4, 2, 3).transpose(0, 1, 3, 2, 4, 5),
        "stats": [image.mean(axis=(1, 2)), image.var(axis=(1, 2), ddof=1), image.std(), image.max(axis=1).argmin(axis=-1)],
        "any": [mx.any(image > 2), mx.all(image < 9, axis=(1, 2, 3)), mx.isnan(image / 0).sum(), mx.nan_to_num(image / 0).max()],
        "dropout2d": nn.Dropout2d(0.5)(image), "glu": nn.GLU()(image[..., :2]), "relus": [nn.relu6(image * 4), nn.hardswish(image), nn.softplus(image)],
    }
