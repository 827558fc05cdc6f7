"""Writes sequences.safetensors: PyTorch's own layers for sequences, their outputs and gradients, computed in float64 and stored as float32.

python3 packages/layers/test/sequences.py     (made with PyTorch 2.15, CPU)

Each case has <case>/input.i, /output, /cotangent, /param/<field path>, /grad/<field path> and /grad_input.i, where the gradients are those of
sum(output * cotangent). Parameters are in PyTorch's layout under the names of our fields; in_proj is cut into its three parts.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
tensors = {}


def record(case, forward, inputs, parameters):
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in inputs]
    output = forward(*inputs)
    cotangent = torch.randn_like(output)
    wanted = {f"grad/{name}": p for name, p in parameters.items()}
    wanted |= {f"grad_input.{i}": x for i, x in enumerate(inputs) if x.requires_grad}
    gradients = torch.autograd.grad((output * cotangent).sum(), list(wanted.values()))
    found = {"output": output, "cotangent": cotangent, **dict(zip(wanted, gradients))}
    found |= {f"input.{i}": x for i, x in enumerate(inputs)} | {f"param/{name}": p for name, p in parameters.items()}
    for name, x in found.items():
        x = x.detach().contiguous()
        tensors[f"{case}/{name}"] = (x.float() if x.is_floating_point() else x.int()).clone()


def of(module):
    """A module's parameters by name; every value is drawn anew, so that none is 0 or 1."""
    found = dict(module.named_parameters())
    for p in found.values():
        nn.init.normal_(p, std=0.5)
    return found


def parts(attention, prefix=""):
    """A MultiheadAttention's parameters as leaves of their own, and what calls it with them."""
    own = of(attention)
    dim = attention.embed_dim
    if "in_proj_weight" in own:
        weights = own["in_proj_weight"].detach().chunk(3)
    else:
        weights = [own[f"{part}_proj_weight"].detach() for part in "qkv"]
    biases = own["in_proj_bias"].detach().chunk(3)
    leaves = {}
    for part, weight, bias in zip("QKV", weights, biases):
        leaves[f"{prefix}to{part}.weight"] = weight.clone().requires_grad_()
        leaves[f"{prefix}to{part}.bias"] = bias.clone().requires_grad_()
    leaves[f"{prefix}toOut.weight"] = own["out_proj.weight"].detach().clone().requires_grad_()
    leaves[f"{prefix}toOut.bias"] = own["out_proj.bias"].detach().clone().requires_grad_()

    def call(q, kv, attn_mask=None, key_padding_mask=None):
        get = lambda name: leaves[prefix + name]
        given = {"out_proj.weight": get("toOut.weight"), "out_proj.bias": get("toOut.bias")}
        given["in_proj_bias"] = torch.cat([get(f"to{part}.bias") for part in "QKV"])
        if "in_proj_weight" in own:
            given["in_proj_weight"] = torch.cat([get(f"to{part}.weight") for part in "QKV"])
        else:
            given |= {f"{part.lower()}_proj_weight": get(f"to{part}.weight") for part in "QKV"}
        masks = dict(attn_mask=attn_mask, key_padding_mask=key_padding_mask, need_weights=False)
        return torch.func.functional_call(attention, given, (q, kv, kv), masks)[0]

    return call, leaves


linear = nn.Linear(5, 7)
record("linear", linear, [torch.randn(2, 3, 5)], of(linear))
linear = nn.Linear(5, 7, bias=False)
record("linear_no_bias", linear, [torch.randn(4, 5)], of(linear))
norm = nn.LayerNorm(6)
record("layer_norm", norm, [torch.randn(2, 3, 6) * 3 + 1], of(norm))
record("layer_norm_no_affine", nn.LayerNorm(6, eps=1e-2, elementwise_affine=False), [torch.randn(4, 6) * 0.3], {})
embedding = nn.Embedding(11, 6)
record("embedding", embedding, [torch.tensor([[3, 0, 10, 3], [7, 3, 0, 1]])], of(embedding))

record("silu", F.silu, [torch.linspace(-6, 6, 25)], {})
record("gelu", F.gelu, [torch.linspace(-6, 6, 25)], {})
record("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), [torch.linspace(-6, 6, 25)], {})
record("quick_gelu", lambda x: x * torch.sigmoid(1.702 * x), [torch.linspace(-6, 6, 25)], {})

causal = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
present = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
attend, own = parts(nn.MultiheadAttention(8, 2, batch_first=True))
record("attention_self", lambda x: attend(x, x), [torch.randn(2, 4, 8)], own)
attend, own = parts(nn.MultiheadAttention(8, 2, batch_first=True))
record(
    "attention_masked",
    lambda x, present: attend(x, x, attn_mask=causal, key_padding_mask=present == 0),
    [torch.randn(2, 4, 8), present],
    own,
)
attend, own = parts(nn.MultiheadAttention(8, 4, kdim=6, vdim=6, batch_first=True))
record(
    "attention_cross",
    lambda x, context, present: attend(x, context, key_padding_mask=present == 0),
    [torch.randn(2, 3, 8), torch.randn(2, 4, 6), present],
    own,
)


class CrossAttention(nn.Module):
    """As latent diffusion has it: heads of a width of their own, no bias before them (Rombach et al. 2022)."""

    def __init__(self, dim, context_dim, heads, dim_head):
        super().__init__()
        self.heads = heads
        self.toQ = nn.Linear(dim, heads * dim_head, bias=False)
        self.toK = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.toV = nn.Linear(context_dim, heads * dim_head, bias=False)
        self.toOut = nn.Linear(heads * dim_head, dim)

    def forward(self, x, context):
        q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in (self.toQ(x), self.toK(context), self.toV(context)))
        return self.toOut(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


cross = CrossAttention(8, 6, 2, 5)
record("attention_wide", cross, [torch.randn(2, 3, 8), torch.randn(2, 4, 6)], of(cross))

# A text encoder of one block, as CLIP's (Radford et al. 2021): causal, padded, with quick GELU; then attention of queries to the text.
token, position, norm1, norm2, final = nn.Embedding(9, 8), nn.Embedding(4, 8), nn.LayerNorm(8), nn.LayerNorm(8), nn.LayerNorm(8)
up, down = nn.Linear(8, 16), nn.Linear(16, 8)
attend, own = parts(nn.MultiheadAttention(8, 2, batch_first=True), "attention.")
modules = {"token": token, "position": position, "norm1": norm1, "norm2": norm2, "up": up, "down": down, "final": final}
for name, module in modules.items():
    own |= {f"{name}.{field}": p for field, p in of(module).items()}


def text(ids, present):
    x = token(ids) + position(torch.arange(4))
    y = norm1(x)
    x = x + attend(y, y, attn_mask=causal, key_padding_mask=present == 0)
    hidden = up(norm2(x))
    return final(x + down(hidden * torch.sigmoid(1.702 * hidden)))


record("text", text, [torch.tensor([[4, 8, 1, 0], [2, 4, 0, 0]]), present], own)

save_file(tensors, Path(__file__).parent / "sequences.safetensors")
