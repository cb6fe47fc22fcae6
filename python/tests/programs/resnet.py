"""A residual network for images: augmentation, batch norms, compiled training with momentum."""

from functools import partial

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


class Shortcut(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.dims = dims

    def __call__(self, x):
        return mx.pad(x[:, ::2, ::2, :], [(0, 0)] * 3 + [(self.dims // 4, self.dims // 4)])


class Block(nn.Module):
    def __init__(self, in_dims, dims, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_dims, dims, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm(dims)
        self.conv2 = nn.Conv2d(dims, dims, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm(dims)
        self.shortcut = Shortcut(dims) if stride != 1 else None

    def __call__(self, x):
        out = nn.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return nn.relu(out + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm(8)
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 8))
        self.layer2 = nn.Sequential(Block(8, 16, 2), Block(16, 16))
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.1)
        self.linear = nn.Linear(16, num_classes)

    def num_params(self):
        from mlx.utils import tree_flatten

        return sum(x.size for k, x in tree_flatten(self.parameters()))

    def __call__(self, x):
        x = nn.relu(self.bn1(self.conv1(x)))
        x = self.pool(self.layer2(self.layer1(x)))
        x = mx.mean(x, axis=[1, 2]).reshape(x.shape[0], -1)
        return self.linear(self.dropout(x))


def augment(images):
    padded = mx.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    top, left = mx.random.randint(0, 5, (2,)).tolist()
    cropped = padded[:, top : top + images.shape[1], left : left + images.shape[2]]
    flip = mx.random.bernoulli(0.5, (images.shape[0], 1, 1, 1))
    return mx.where(flip, cropped[:, :, ::-1], cropped)


def main(folder):
    mx.random.seed(5)
    model = ResNet()
    mx.eval(model.parameters())
    optimizer = optim.SGD(
        learning_rate=optim.step_decay(0.05, 0.5, 2), momentum=0.9, weight_decay=1e-4,
        nesterov=True,
    )
    images = mx.random.uniform(shape=(4, 8, 8, 3))
    labels = mx.random.randint(0, 10, (4,))

    def train_step(model, inputs, targets):
        output = model(inputs)
        loss = mx.mean(nn.losses.cross_entropy(output, targets, label_smoothing=0.1))
        return loss, mx.mean(mx.argmax(output, axis=1) == targets)

    state = [model.state, optimizer.state, mx.random.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def step(inputs, targets):
        (loss, accuracy), grads = nn.value_and_grad(model, train_step)(model, inputs, targets)
        optimizer.update(model, grads)
        return loss, accuracy

    model.train(True)
    losses = []
    for _ in range(3):
        loss, accuracy = step(augment(images), labels)
        mx.eval(state)
        losses.append(loss)
    model.eval()
    evaluated = mx.compile(partial(mx.mean, axis=0))(model(images))
    return {
        "params": model.num_params(), "losses": losses, "logits": model(images),
        "mean": evaluated, "running": [model.bn1.running_mean, model.layer2.layers[0].bn2.running_var],
        "trainable": len(model.trainable_parameters()["bn1"]), "all": len(model.parameters()["bn1"]),
        "step": optimizer.state["step"], "rate": optimizer.learning_rate, "print": str(model),
    }
