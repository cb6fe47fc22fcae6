"""Low-rank fine-tuning: layers replaced, the rest frozen, adapters saved and fused."""

import math

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten, tree_unflatten


class LoRALinear(nn.Module):
    @staticmethod
    def from_linear(linear: nn.Linear, rank: int = 4):
        output_dims, input_dims = linear.weight.shape
        if isinstance(linear, nn.QuantizedLinear):
            input_dims *= 32 // linear.bits
        lora = LoRALinear(input_dims, output_dims, rank)
        lora.linear = linear
        return lora

    def __init__(self, input_dims, output_dims, rank=4, bias=False, scale=2.0, dropout=0.0):
        super().__init__()
        self.linear = nn.Linear(input_dims, output_dims, bias=bias)
        self.dropout = nn.Dropout(p=dropout)
        self.scale = scale
        bound = 1 / math.sqrt(input_dims)
        self.lora_a = mx.random.uniform(low=-bound, high=bound, shape=(input_dims, rank))
        self.lora_b = mx.zeros(shape=(rank, output_dims))

    def fuse(self):
        linear = self.linear
        bias = "bias" in linear
        weight = linear.weight
        quantized = isinstance(linear, nn.QuantizedLinear)
        if quantized:
            weight = mx.dequantize(
                weight, linear.scales, linear.biases, linear.group_size, linear.bits
            )
        fused = nn.Linear(weight.shape[1], weight.shape[0], bias=bias)
        fused.weight = weight + (self.scale * self.lora_b.T) @ self.lora_a.T
        if bias:
            fused.bias = linear.bias
        return fused

    def __call__(self, x):
        y = self.linear(x)
        z = (self.dropout(x) @ self.lora_a) @ self.lora_b
        return y + (self.scale * z).astype(x.dtype)


class Model(nn.Module):
    def __init__(self, dims=64):
        super().__init__()
        self.embed = nn.Embedding(17, dims)
        self.blocks = [
            {"proj": nn.Linear(dims, dims), "norm": nn.LayerNorm(dims)} for _ in range(3)
        ]
        self.head = nn.Linear(dims, 17, bias=False)

    def __call__(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = x + nn.gelu(block["proj"](block["norm"](x)))
        return self.head(x)


def loss_fn(model, x, y):
    return nn.losses.cross_entropy(model(x), y, reduction="mean")


def tune(model, folder, name):
    model.freeze()
    for block in model.blocks[1:]:
        block["proj"] = LoRALinear.from_linear(block["proj"], rank=2)
    trainable = [k for k, _ in tree_flatten(model.trainable_parameters())]
    optimizer = optim.Adam(learning_rate=1e-2)
    value_and_grad = nn.value_and_grad(model, loss_fn)
    x = mx.random.randint(0, 17, (4, 10))
    losses = []
    model.train()
    for _ in range(4):
        loss, grads = value_and_grad(model, x, mx.roll(x, -1, axis=1))
        optimizer.update(model, grads)
        mx.eval(model.state, optimizer.state)
        losses.append(loss)
    adapters = dict(tree_flatten(model.trainable_parameters()))
    path = str(folder / f"{name}.safetensors")
    mx.save_safetensors(path, adapters, metadata={"rank": "2"})
    loaded, metadata = mx.load(path, return_metadata=True)
    model.load_weights([(k, v * 0.5) for k, v in loaded.items()], strict=False)
    model.eval()
    before = model(x)
    fused = [
        (n, m.fuse()) for n, m in model.named_modules() if isinstance(m, LoRALinear)
    ]
    model.update_modules(tree_unflatten(fused))
    return {
        "trainable": trainable, "losses": losses, "adapters": adapters, "metadata": metadata,
        "output": before, "same": mx.allclose(before, model(x), rtol=1e-3, atol=1e-4),
        "grads": sorted(k for k, _ in tree_flatten(grads)), "print": str(model),
    }


def main(folder):
    mx.random.seed(3)
    plain = tune(Model(), folder, "plain")
    quantized = Model()
    nn.quantize(quantized, group_size=32, bits=8, class_predicate=lambda p, m: p.endswith("proj"))
    return {"plain": plain, "quantized": tune(quantized, folder, "quantized")}
