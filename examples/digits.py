"""Train a small convolutional network to read handwritten digits.

The data are the 1797 images of 8×8 pixels that come with scikit-learn. A fifth of them, the same
share of each digit, is held out. The program writes into ``--out``:

- ``accuracy.json``: what was reached and with which options,
- ``digits.png``: curves of loss and accuracy, and some held-out images with what was read,
- ``digits.safetensors``: the weights, which it loads into a fresh network and evaluates again.

Example:
    $ python examples/digits.py --epochs 20 --out demo-output
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import FigureBase
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import mlx_oxide.core as mx
import mlx_oxide.nn as nn
import mlx_oxide.optimizers as optim


class DigitReader(nn.Module):
    """Two convolutions, each followed by pooling, and a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.BatchNorm(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.BatchNorm(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(2 * 2 * 64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)
        )

    def __call__(self, images: mx.array) -> mx.array:
        logits: mx.array = self.classifier(self.features(images).flatten(1))
        return logits


@dataclass
class Digits:
    """Images of shape (N, 8, 8, 1), between 0 and 1, and their labels."""

    images: np.ndarray
    labels: np.ndarray

    def batches(
        self, size: int, random: np.random.Generator
    ) -> Iterator[Tuple[mx.array, mx.array]]:
        """Go through all images once, in random order."""
        order = random.permutation(len(self.labels))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield mx.array(self.images[chosen]), mx.array(self.labels[chosen])


@dataclass
class History:
    """What was measured after each epoch."""

    train_loss: List[float] = field(default_factory=list)
    test_loss: List[float] = field(default_factory=list)
    train_accuracy: List[float] = field(default_factory=list)
    test_accuracy: List[float] = field(default_factory=list)


def load_data(seed: int) -> Tuple[Digits, Digits]:
    """Return the images to train on and the held-out ones."""
    data = load_digits()
    images = (data.images / 16).astype(np.float32)[..., None]
    train_images, test_images, train_labels, test_labels = train_test_split(
        images,
        data.target.astype(np.int32),
        test_size=0.2,
        random_state=seed,
        stratify=data.target,
    )
    return Digits(train_images, train_labels), Digits(test_images, test_labels)


def loss_of(model: DigitReader, images: mx.array, labels: mx.array) -> mx.array:
    return nn.losses.cross_entropy(model(images), labels, reduction="mean")


def evaluate(model: DigitReader, digits: Digits) -> Tuple[float, np.ndarray]:
    """Return the mean loss and the digits that the model reads."""
    was_training = model.training
    model.eval()
    logits = model(mx.array(digits.images))
    loss = nn.losses.cross_entropy(logits, mx.array(digits.labels), reduction="mean")
    predictions = np.array(mx.argmax(logits, axis=-1))
    model.train(was_training)
    return loss.item(), predictions


def accuracy(predictions: np.ndarray, digits: Digits) -> float:
    return float((predictions == digits.labels).mean())


def train(
    model: DigitReader, train_set: Digits, test_set: Digits, options: argparse.Namespace
) -> History:
    """Train for the given number of epochs, showing progress."""
    random = np.random.default_rng(options.seed)
    steps = options.epochs * -(-len(train_set.labels) // options.batch_size)
    optimizer = optim.AdamW(
        optim.cosine_decay(options.learning_rate, steps), bias_correction=True
    )
    loss_and_gradients = nn.value_and_grad(model, loss_of)
    history = History()
    progress = tqdm(range(options.epochs), desc="training", unit="epoch")
    for _ in progress:
        losses = []
        for images, labels in train_set.batches(options.batch_size, random):
            loss, gradients = loss_and_gradients(model, images, labels)
            optimizer.update(model, gradients)
            mx.eval(model.parameters(), optimizer.state, loss)
            losses.append(loss.item())
        test_loss, test_predictions = evaluate(model, test_set)
        _, train_predictions = evaluate(model, train_set)
        history.train_loss.append(float(np.mean(losses)))
        history.test_loss.append(test_loss)
        history.train_accuracy.append(accuracy(train_predictions, train_set))
        history.test_accuracy.append(accuracy(test_predictions, test_set))
        progress.set_postfix(
            loss=f"{history.train_loss[-1]:.4f}",
            held_out=f"{history.test_accuracy[-1]:.2%}",
        )
    return history


def draw_curves(figure: FigureBase, history: History) -> None:
    epochs = range(1, len(history.train_loss) + 1)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, history.train_loss, label="training, with dropout")
    left.plot(epochs, history.test_loss, label="held out")
    left.set(xlabel="epoch", ylabel="cross entropy", yscale="log", title="Loss")
    right.plot(epochs, history.train_accuracy, label="training")
    right.plot(epochs, history.test_accuracy, label="held out")
    right.set(xlabel="epoch", ylabel="share read correctly", title="Accuracy")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()


def draw_samples(figure: FigureBase, digits: Digits, predictions: np.ndarray) -> None:
    """Show held-out images, first those read wrongly, in red."""
    rows, columns = 4, 12
    wrong = predictions != digits.labels
    chosen = np.argsort(~wrong, kind="stable")[: rows * columns]
    for axes, index in zip(figure.subplots(rows, columns).flat, chosen):
        axes.imshow(digits.images[index, :, :, 0], cmap="gray_r")
        axes.set(xticks=[], yticks=[])
        read, true = predictions[index], digits.labels[index]
        if read == true:
            axes.set_title(f"{read}", fontsize=9, color="black")
        else:
            axes.set_title(f"{read}, is {true}", fontsize=9, color="crimson", weight="bold")
            for side in axes.spines.values():
                side.set(color="crimson", linewidth=2.5)
    figure.suptitle(
        f"Held-out images and what was read: {int(wrong.sum())} of {len(wrong)} wrong, in red"
    )


def draw(path: Path, history: History, digits: Digits, predictions: np.ndarray) -> None:
    figure = plt.figure(figsize=(12, 9), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    draw_curves(parts[0], history)
    draw_samples(parts[1], digits, predictions)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def check_checkpoint(path: Path, test_set: Digits, loss: float, predictions: np.ndarray) -> None:
    """Load the weights into a fresh network, which must read exactly the same."""
    fresh = DigitReader()
    fresh.load_weights(str(path))
    fresh_loss, fresh_predictions = evaluate(fresh, test_set)
    if fresh_loss != loss or not np.array_equal(fresh_predictions, predictions):
        raise RuntimeError(
            f"the network loaded from {path} has the held-out loss {fresh_loss}, not {loss}"
        )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train a small convolutional network to read handwritten digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=25, help="passes over the images")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a step")
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="at the beginning")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the weights")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="directory")
    options = parser.parse_args()
    if options.epochs < 1 or options.batch_size < 2:
        parser.error("there must be at least 1 epoch and 2 images in a step")
    return options


def main() -> None:
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    mx.random.seed(options.seed)
    train_set, test_set = load_data(options.seed)
    model = DigitReader()

    began = time.perf_counter()
    history = train(model, train_set, test_set, options)
    seconds = time.perf_counter() - began

    loss, predictions = evaluate(model, test_set)
    checkpoint = options.out / "digits.safetensors"
    model.save_weights(str(checkpoint))
    check_checkpoint(checkpoint, test_set, loss, predictions)
    draw(options.out / "digits.png", history, test_set, predictions)
    report = {
        "held_out_accuracy": accuracy(predictions, test_set),
        "held_out_loss": loss,
        "held_out_images": len(test_set.labels),
        "training_images": len(train_set.labels),
        "training_seconds": round(seconds, 2),
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
    }
    (options.out / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n")
    print(
        f"held-out accuracy {report['held_out_accuracy']:.2%} after {seconds:.1f} s; "
        f"the checkpoint reads the same; see {options.out}"
    )


if __name__ == "__main__":
    main()
