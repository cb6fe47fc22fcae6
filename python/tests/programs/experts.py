"""A mixture of experts: routing by argpartition, gather_mm and gather_qmm, sorted by expert."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten


def gather_sort(x, indices):
    *_, M = indices.shape
    indices = indices.flatten()
    order = mx.argsort(indices)
    return x.flatten(0, -3)[order // M], indices[order], mx.argsort(order)


def scatter_unsort(x, inverse, shape=None):
    x = x[inverse]
    return x if shape is None else mx.unflatten(x, 0, shape)


class SwitchLinear(nn.Module):
    def __init__(self, input_dims, output_dims, num_experts, bias=True):
        super().__init__()
        scale = math.sqrt(1 / input_dims)
        self.weight = mx.random.uniform(-scale, scale, (num_experts, output_dims, input_dims))
        if bias:
            self.bias = mx.zeros((num_experts, output_dims))

    def __call__(self, x, indices, sorted_indices=False):
        x = mx.gather_mm(
            x, self["weight"].swapaxes(-1, -2), rhs_indices=indices, sorted_indices=sorted_indices
        )
        if "bias" in self:
            x = x + mx.expand_dims(self["bias"][indices], -2)
        return x

    def to_quantized(self, group_size=64, bits=4, mode="affine"):
        num_experts, output_dims, input_dims = self.weight.shape
        layer = QuantizedSwitchLinear(input_dims, output_dims, num_experts, False, group_size, bits)
        layer.weight, layer.scales, *biases = mx.quantize(self.weight, group_size, bits, mode=mode)
        layer.biases = biases[0] if biases else None
        if "bias" in self:
            layer.bias = self.bias
        return layer


class QuantizedSwitchLinear(nn.Module):
    def __init__(self, input_dims, output_dims, num_experts, bias, group_size, bits):
        super().__init__()
        self.group_size, self.bits = group_size, bits
        self.freeze()

    def __call__(self, x, indices, sorted_indices=False):
        x = mx.gather_qmm(
            x, self["weight"], self["scales"], self.get("biases"), rhs_indices=indices,
            transpose=True, group_size=self.group_size, bits=self.bits, sorted_indices=sorted_indices,
        )
        if "bias" in self:
            x = x + mx.expand_dims(self["bias"][indices], -2)
        return x


class SwitchGLU(nn.Module):
    def __init__(self, input_dims, hidden_dims, num_experts):
        super().__init__()
        self.gate_proj = SwitchLinear(input_dims, hidden_dims, num_experts, bias=False)
        self.up_proj = SwitchLinear(input_dims, hidden_dims, num_experts)
        self.down_proj = SwitchLinear(hidden_dims, input_dims, num_experts)

    def __call__(self, x, indices):
        x = mx.expand_dims(x, (-2, -3))
        do_sort = indices.size >= 16
        idx, inverse = indices, None
        if do_sort:
            x, idx, inverse = gather_sort(x, indices)
        if self.training:
            idx = mx.stop_gradient(idx)
        up = self.up_proj(x, idx, sorted_indices=do_sort)
        gate = self.gate_proj(x, idx, sorted_indices=do_sort)
        x = self.down_proj(nn.silu(gate) * up, idx, sorted_indices=do_sort)
        if do_sort:
            x = scatter_unsort(x, inverse, indices.shape)
        return x.squeeze(-2)


class MoE(nn.Module):
    def __init__(self, dims=64, hidden=64, experts=5, top_k=2):
        super().__init__()
        self.top_k = top_k
        self.gate = nn.Linear(dims, experts, bias=False)
        self.switch_mlp = SwitchGLU(dims, hidden, experts)

    def __call__(self, x):
        gates = mx.softmax(self.gate(x), axis=-1, precise=True)
        k = self.top_k
        inds = mx.stop_gradient(mx.argpartition(-gates, kth=k - 1, axis=-1)[..., :k])
        inds = mx.sort(inds, axis=-1)
        scores = mx.take_along_axis(gates, inds, axis=-1)
        scores = scores / mx.sum(scores, axis=-1, keepdims=True)
        y = self.switch_mlp(x, inds)
        return (y * scores[..., None]).sum(axis=-2), inds, gates


def main(folder):
    mx.random.seed(8)
    model = MoE()
    few, many = mx.random.normal((1, 3, 64)), mx.random.normal((2, 9, 64))
    out = {"few": model(few), "many": model(many)}

    def loss_fn(model, x):
        y, inds, gates = model(x)
        load = (inds[..., None] == mx.arange(gates.shape[-1])).sum(axis=(0, 1, 2)) / inds.size
        balance = gates.shape[-1] * (load * gates.mean(axis=(0, 1))).sum()
        return (y - x).square().mean() + 0.01 * balance

    optimizer = optim.Adafactor(learning_rate=1e-2, relative_step=False, scale_parameter=False)
    losses = []
    for _ in range(3):
        loss, grads = nn.value_and_grad(model, loss_fn)(model, many)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state)
        losses.append(loss)
    nn.quantize(
        model, group_size=32, bits=8,
        class_predicate=lambda p, m: hasattr(m, "to_quantized") and not p.endswith("gate"),
    )
    model.eval()
    return {
        **out, "losses": losses, "quantized few": model(few), "quantized many": model(many),
        "shapes": {k: [list(v.shape), str(v.dtype)] for k, v in tree_flatten(model.parameters())},
    }
