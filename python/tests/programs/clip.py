"""Contrastive training of an image and a text encoder, with patches and nn's transformers."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


class TextEncoder(nn.Module):
    def __init__(self, vocabulary=23, dims=32, length=7):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, dims)
        self.position_embedding = mx.random.normal((length, dims)) * 0.02
        self.encoder = nn.TransformerEncoder(2, dims, 4, mlp_dims=64, activation=nn.gelu_fast_approx)
        self.final_layer_norm = nn.LayerNorm(dims)

    def __call__(self, x):
        B, N = x.shape
        eot = mx.argmax(x, axis=-1)
        h = self.token_embedding(x) + self.position_embedding[:N]
        mask = nn.MultiHeadAttention.create_additive_causal_mask(N, h.dtype)
        h = self.final_layer_norm(self.encoder(h, mask))
        return h[mx.arange(B), eot]


class VisionEncoder(nn.Module):
    def __init__(self, dims=32, patch=4, image=12):
        super().__init__()
        self.class_embedding = mx.zeros((dims,))
        self.patch_embedding = nn.Conv2d(3, dims, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding((image // patch) ** 2 + 1, dims)
        self.pre_layernorm = nn.LayerNorm(dims)
        self.attention = nn.MultiHeadAttention(dims, 4, bias=True)
        self.mlp = nn.Sequential(nn.Linear(dims, 64), nn.GELU(approx="fast"), nn.Linear(64, dims))
        self.ln1, self.ln2 = nn.LayerNorm(dims), nn.LayerNorm(dims)

    def __call__(self, x):
        patches = mx.flatten(self.patch_embedding(x), start_axis=1, end_axis=2)
        first = mx.broadcast_to(self.class_embedding, (x.shape[0], 1, patches.shape[-1]))
        x = mx.concatenate([first, patches], axis=1) + self.position_embedding.weight
        x = self.pre_layernorm(x)
        y = self.ln1(x)
        x = x + self.attention(y, y, y)
        return (x + self.mlp(self.ln2(x)))[:, 0]


class CLIP(nn.Module):
    def __init__(self):
        super().__init__()
        self.text_model, self.vision_model = TextEncoder(), VisionEncoder()
        self.text_projection = nn.Linear(32, 16, bias=False)
        self.visual_projection = nn.Linear(32, 16, bias=False)
        self.logit_scale = mx.array(2.6592)

    def __call__(self, ids, pixels):
        text = self.text_projection(self.text_model(ids))
        image = self.visual_projection(self.vision_model(pixels))
        text = text / mx.linalg.norm(text, axis=-1, keepdims=True)
        image = image / mx.sqrt(mx.sum(image**2, axis=-1, keepdims=True))
        return text @ image.T * mx.exp(self.logit_scale)


def loss_fn(model, ids, pixels):
    logits = model(ids, pixels)
    targets = mx.arange(logits.shape[0])
    rows = nn.losses.cross_entropy(logits, targets, reduction="mean")
    return (rows + nn.losses.cross_entropy(logits.T, targets, reduction="mean")) / 2


def main(folder):
    mx.random.seed(23)
    model = CLIP()
    ids, pixels = mx.random.randint(0, 23, (5, 7)), mx.random.uniform(shape=(5, 12, 12, 3))
    mean, std = mx.array([0.48, 0.45, 0.40]), mx.array([0.26, 0.26, 0.27])
    pixels = (pixels - mean) / std
    optimizer = optim.Lion(1e-3)
    losses = []
    for _ in range(3):
        loss, grads = nn.value_and_grad(model, loss_fn)(model, ids, pixels)
        optimizer.update(model, grads)
        mx.eval(model.state, optimizer.state)
        losses.append(loss)
    similar = nn.losses.cosine_similarity_loss(model.text_model(ids), model.vision_model(pixels))
    decoder = nn.Transformer(16, 2, 1, 1, 32, norm_first=False, checkpoint=True)
    source, target = mx.random.normal((2, 5, 16)), mx.random.normal((2, 3, 16))
    mask = nn.MultiHeadAttention.create_additive_causal_mask(3)
    translated = decoder(source, target, None, mask, None)
    return {
        "losses": losses, "logits": model(ids, pixels), "similar": similar, "translated": translated,
        "triplet": nn.losses.triplet_loss(source[0], source[1], source[0] + 0.1),
        "kl": nn.losses.kl_div_loss(nn.log_softmax(source), nn.log_softmax(source * 2), reduction="mean"),
        "print": str(model),
    }
