"""Writes images.safetensors: PyTorch's own layers for images, and its Conv1d, their outputs and gradients, computed in float64 and stored as float32.

python3 packages/layers/test/images.py     (made with PyTorch 2.15, CPU)

Each case has <case>/input.i, /output, /cotangent, /param/<field path>, /grad/<field path> and /grad_input.i, where the gradients are those of
sum(output * cotangent). All is in PyTorch's layout.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
tensors = {}


def record(case, forward, *inputs, module=None):
    parameters = dict(module.named_parameters()) if module else {}
    for p in parameters.values():
        nn.init.normal_(p, std=0.5)
    inputs = [x.requires_grad_() for x in inputs]
    output = forward(*inputs)
    cotangent = torch.randn_like(output)
    wanted = {f"grad/{name}": p for name, p in parameters.items()} | {f"grad_input.{i}": x for i, x in enumerate(inputs)}
    gradients = torch.autograd.grad((output * cotangent).sum(), list(wanted.values()))
    found = {"output": output, "cotangent": cotangent, **dict(zip(wanted, gradients))}
    found |= {f"input.{i}": x for i, x in enumerate(inputs)} | {f"param/{name}": p for name, p in parameters.items()}
    for name, x in found.items():
        tensors[f"{case}/{name}"] = x.detach().contiguous().float().clone()


image = lambda channels, h=4, w=6: torch.randn(2, channels, h, w)

record("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), image(3))
record("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), image(12, 2, 3))
record("upsample_nearest", lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), image(3))
record("average_pool", lambda x: F.avg_pool2d(x, 2), image(3))

conv = nn.Conv2d(3, 5, 3, stride=2)
record("conv_padded_behind", lambda x: conv(F.pad(x, (0, 1, 0, 1))), image(3), module=conv)

for kernel, padding in (1, 0), (3, 1):
    conv1d = nn.Conv1d(3, 5, kernel, padding=padding)
    along = lambda x: conv1d(x.transpose(1, 2)).transpose(1, 2)
    record(f"conv1d_{kernel}", along, torch.randn(2, 7, 3), module=conv1d)

norm = nn.GroupNorm(2, 6)
adaptive = lambda x, scale, shift: norm(x) * (1 + scale[..., None, None]) + shift[..., None, None]
record("group_norm_adaptive", adaptive, image(6), torch.randn(2, 6), torch.randn(2, 6), module=norm)

save_file(tensors, Path(__file__).with_name("images.safetensors"))
