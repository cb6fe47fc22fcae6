"""Speculative sampling with a draft model, and other samplers over log-probabilities."""

import mlx.core as mx
import mlx.nn as nn


class Bigram(nn.Module):
    def __init__(self, vocabulary, noise):
        super().__init__()
        key = mx.random.key(1)
        self.table = mx.random.normal((vocabulary, vocabulary), key=key)
        self.table = self.table + noise * mx.random.normal((vocabulary, vocabulary))

    def __call__(self, tokens):
        return self.table[tokens]


def speculate(model, draft, prompt, drafts, total):
    tokens, accepted = list(prompt), []
    while len(tokens) < total:
        proposed, q = [], []
        last = mx.array(tokens[-1:])
        for _ in range(drafts):
            logits = draft(last)
            last = mx.random.categorical(logits)
            proposed.append(last)
            q.append(mx.softmax(logits, axis=-1))
        context = mx.concatenate([mx.array(tokens[-1:]), *proposed])
        p = mx.softmax(model(context), axis=-1)
        chosen = mx.concatenate(proposed)
        q = mx.concatenate(q)
        ratio = mx.take_along_axis(p[:-1], chosen[:, None], 1) / mx.take_along_axis(q, chosen[:, None], 1)
        keep = mx.random.uniform(shape=(drafts,)) < ratio.squeeze(1)
        count = mx.cumprod(keep.astype(mx.int32)).sum().item()
        tokens += chosen[:count].tolist()
        if count < drafts:
            rest = mx.maximum(p[count] - q[count], 0)
            tokens.append(mx.random.categorical(mx.log(rest / rest.sum())).item())
        else:
            tokens.append(mx.random.categorical(mx.log(p[-1])).item())
        accepted.append(count)
    return tokens[:total], accepted


def min_p(logprobs, p, keep=1):
    order = mx.argsort(-logprobs, axis=-1)
    ordered = mx.take_along_axis(logprobs, order, axis=-1)
    remove = ordered < ordered[:, :1] + mx.log(mx.array(p))
    remove[..., :keep] = False
    return mx.take_along_axis(order, mx.random.categorical(mx.where(remove, -float("inf"), ordered))[:, None], axis=-1)


def repetition_penalty(logits, tokens, penalty):
    selected = logits[:, tokens]
    selected = mx.where(selected < 0, selected * penalty, selected / penalty)
    logits[:, tokens] = selected
    return logits


@mx.compile
def xtc(logits, low, high):
    probabilities = mx.softmax(logits, -1)
    mask = probabilities > mx.where(probabilities > high, probabilities, mx.inf).min()
    return mx.where(mx.random.uniform(0, 1) > low, logits, mx.where(mask, -mx.inf, logits))


def main(folder):
    mx.random.seed(21)
    model, draft = Bigram(13, 0.0), Bigram(13, 0.4)
    tokens, accepted = speculate(model, draft, [2, 7], 3, 40)
    logits = model(mx.array([1, 2, 3]))
    logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    gumbel = mx.argmax(logits + mx.random.gumbel(logits.shape), axis=-1)
    many = mx.random.categorical(logits[:1], num_samples=50)
    shaped = mx.random.categorical(logits, axis=0, shape=(4, 13))
    return {
        "tokens": tokens, "accepted": accepted, "min_p": min_p(logprobs, 0.2),
        "penalised": repetition_penalty(logits * 1, mx.array([3, 5, 3]), 1.3),
        "xtc": xtc(logits, 0.1, 0.2), "gumbel": gumbel, "many": many, "shaped": shaped,
        "permuted": mx.random.permutation(10), "rows": mx.random.permutation(logits, axis=1),
        "truncated": mx.random.truncated_normal(-1, 1, (4,)), "laplace": mx.random.laplace((3,)),
        "topk": mx.topk(logits, 4, axis=-1).sum(axis=-1),
        "histogram": mx.zeros((13,), mx.int32).at[many.flatten()].add(1),
    }
