"""Custom modules with lists and dictionaries: traversal, freezing, updates, printing, errors."""

import copy
import pickle

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten, tree_map, tree_map_with_path, tree_unflatten


class Head(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.scale = mx.full((dims,), 0.5)
        self._cache = mx.zeros((2,))
        self.name = "head"

    def _extra_repr(self):
        return f"dims={self.scale.shape[0]}"

    def __call__(self, x):
        return x * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 8)
        self.blocks = [nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(2)]
        self.heads = {"a": Head(8), "b": [Head(8), nn.BatchNorm(8)]}
        self.table = {"x": mx.ones((2, 3)), "y": [mx.zeros((1,))]}
        self.shared = self.blocks[0]

    def __call__(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.heads["b"][1](self.heads["a"](x) + self.heads["b"][0](x))


def raised(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__


def main(folder):
    mx.random.seed(13)
    net = Net()
    names = lambda tree: sorted(k for k, _ in tree_flatten(tree))
    out = {
        "print": str(net), "parameters": names(net.parameters()), "trainable": names(net.trainable_parameters()),
        "named": sorted(n for n, _ in net.named_modules()), "count": len(net.modules()),
        "leaves": names(tree_map(lambda m: 0, net.leaf_modules(), is_leaf=nn.Module.is_module)),
        "children": sorted(net.children()), "state": sorted(net.state), "in": ["stem" in net, "nothing" in net],
    }
    net.freeze()
    out["frozen"] = names(net.trainable_parameters())
    net.unfreeze(keys="bias")
    out["biases"] = names(net.trainable_parameters())
    net.freeze(keys=["bias"], recurse=False)
    net.heads["b"][1].unfreeze()
    net.heads["a"].unfreeze(keys="scale", strict=True)
    out["mixed"] = names(net.trainable_parameters())
    out["strict"] = raised(lambda: net.stem.freeze(keys="nothing", strict=True))
    net.unfreeze()
    net.apply(lambda p: p.astype(mx.float16))
    out["half"] = {k: str(v.dtype) for k, v in tree_flatten(net.parameters())}
    net.set_dtype(mx.float32, lambda dtype: dtype == mx.float16)
    net.apply_to_modules(lambda n, m: setattr(m, "tag", n) if isinstance(m, nn.Linear) else None)
    out["tags"] = sorted(m.tag for m in net.modules() if hasattr(m, "tag"))
    out["weights only"] = names(net.filter_and_map(
        lambda module, key, value: isinstance(value, (dict, list, nn.Module)) or key == "weight",
        is_leaf_fn=lambda module, key, value: isinstance(value, mx.array),
    ))
    x = mx.random.normal((5, 4))
    out["y"] = net(x)
    net.eval()
    out["training"] = [net.training, net.heads["b"][1].training]
    out["eval"] = net(x)
    doubled = tree_map_with_path(lambda path, p: p * 2 if path.startswith("stem") else p, net.parameters())
    net.update(doubled)
    out["updated"] = net(x)
    net.update_modules({"blocks": [{}, nn.Linear(8, 8, bias=False)]})
    out["replaced"] = str(net)
    net.update(tree_unflatten([("stem.weight", mx.zeros((8, 4)))]))
    out["zero"] = net(x)
    twin = copy.deepcopy(net)
    twin.stem.bias = twin.stem.bias + 1
    out["deepcopy"] = [net.stem.bias, twin.stem.bias]
    net.save_weights(str(folder / "net.safetensors"))
    other = Net()
    out["errors"] = {
        "strict shapes": raised(lambda: other.load_weights([("stem.weight", mx.zeros((3, 3)))])),
        "extra": raised(lambda: other.load_weights([*tree_flatten(other.parameters()), ("more", x)])),
        "missing": raised(lambda: other.load_weights([("stem.weight", mx.zeros((8, 4)))])),
        "no array": raised(lambda: other.load_weights([*tree_flatten(other.parameters())[:-1], (tree_flatten(other.parameters())[-1][0], 3)])),
        "update": raised(lambda: other.update({"stem": {"nothing": x}})),
        "update lists": raised(lambda: other.update({"blocks": {"a": x}})),
        "modules": raised(lambda: other.update_modules({"stem": 3})),
        "attribute": raised(lambda: other.nothing),
        "loose": other.load_weights(str(folder / "net.safetensors"), strict=False) is other,
        "format": raised(lambda: net.save_weights(str(folder / "net.bin"))),
    }
    del net.shared
    net.extra = nn.Identity()
    net.value = 3
    net.array = mx.array(1)
    net.array = 4
    out["attributes"] = [hasattr(net, "shared"), net.value, net.array, sorted(net)]
    out["pickled"] = pickle.loads(pickle.dumps(nn.Linear(3, 2)))(mx.ones((1, 3)))
    return out
