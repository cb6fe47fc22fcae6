"""Language models over characters by LSTM, GRU and RNN layers, with truncated gradients."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

TEXT = "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs. "


class Model(nn.Module):
    def __init__(self, kind, vocabulary, dims=24):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dims)
        make = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind]
        self.cells = [make(dims, dims), make(dims, dims)]
        self.out = nn.Linear(dims, vocabulary)
        self.kind = kind

    def __call__(self, x, states=None):
        states = states or [None] * len(self.cells)
        h = self.embedding(x)
        carried = []
        for cell, state in zip(self.cells, states):
            if self.kind == "lstm":
                h, c = cell(h, *(state or ()))
                carried.append((h[:, -1], c[:, -1]))
            else:
                h = cell(h, state)
                carried.append(h[:, -1])
        return self.out(h), carried


def main(folder):
    letters = sorted(set(TEXT))
    code = {c: i for i, c in enumerate(letters)}
    corpus = mx.array([code[c] for c in TEXT], dtype=mx.uint32)
    results = {}
    for kind in ("lstm", "gru", "rnn"):
        mx.random.seed(4)
        model = Model(kind, len(letters))
        optimizer = optim.RMSprop(3e-3)

        def loss_fn(x, y, states):
            logits, states = model(x, states)
            return nn.losses.cross_entropy(logits, y, reduction="mean"), states

        step = nn.value_and_grad(model, loss_fn)
        states, losses = None, []
        for start in range(0, 64, 16):
            window = corpus[start : start + 17][None]
            (loss, states), grads = step(window[:, :-1], window[:, 1:], states)
            states = [tuple(map(mx.stop_gradient, s)) if kind == "lstm" else mx.stop_gradient(s) for s in states]
            optimizer.update(model, grads)
            mx.eval(model.parameters(), optimizer.state, states)
            losses.append(loss)
        token, states, out = corpus[:1][None], None, []
        for _ in range(12):
            logits, states = model(token, states)
            token = mx.argmax(logits[:, -1:], axis=-1)
            out.append(letters[token.item()])
        results[kind] = {
            "losses": losses, "states": states, "text": "".join(out), "perplexity": mx.exp(losses[-1]),
            "print": str(model),
        }
    return results
