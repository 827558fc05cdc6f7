"""Runs the authors' own networks: guided-diffusion's, improved-diffusion's and diffusers', with values that both sides can make.

python3 originals.py CASES RESULTS --guided FOLDER --improved FOLDER

where the folders hold clones of openai/guided-diffusion and openai/improved-diffusion. golden.json is what
`python3 originals.py cases.json golden.json …` wrote (PyTorch 2.15 and diffusers 0.42, CPU).

CASES names, for each case, whose network (`of`), its options and the size of the images. RESULTS has its output, in
PyTorch's layout, and of sum(output * cotangent) the gradient of the images, and of each parameter the norm of its
gradient and that gradient's product with known numbers.
"""

import argparse
import json
import sys

import numpy as np
import torch
from torch import nn


def known(index, shape):
    """Numbers in [-1/2, 1/2) that look random and are the same everywhere (`known` in known.ts)."""
    i = np.arange(1, int(np.prod(shape)) + 1, dtype=np.float64)
    v = np.sin(12.9898 * i + 78.233 * (index + 1)) * 43758.5453
    return torch.tensor((v - np.floor(v) - 0.5).reshape(shape), dtype=torch.float32)


def fill(model):
    """Every parameter, in the order of their names; those of one axis are near 1, so that no norm is 0."""
    for index, (_, p) in enumerate(sorted(model.named_parameters())):
        fan_in = p[0].numel()
        values = known(index, p.shape)
        p.data = values + 1 if p.ndim == 1 else values * (3 / fan_in**0.5)


def clone(folder, package, groups):
    """A package of OpenAI's whose norms have other groups than 32."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = __import__(f"{package}.unet", fromlist=["unet"])
    module.normalization = lambda channels: nn.GroupNorm(groups, channels)
    return module


def build(of, options, folders):
    options = dict(options)
    if of.startswith("diffusers/"):
        import diffusers

        return getattr(diffusers, of.split("/")[1])(**options)
    module = clone(folders[of.split("/")[0]], of.split("/")[0] + "_diffusion", options.pop("groups", 32))
    return getattr(module, of.split("/")[1])(**options)


def run(case, folders):
    model = build(case["of"], case["options"], folders)
    fill(model)
    model.eval()
    n, size = case.get("batch", 2), case["size"]
    h, w = size if isinstance(size, list) else (size, size)
    x = (known(1000, (n, case["options"]["in_channels"], h, w)) * 3).requires_grad_()
    t = torch.tensor([(i * 371 + 3) % 1000 for i in range(n)])
    label = case.get("label")
    if label == "embedding":
        label = known(1001, (n, case["embDim"]))
    elif label is not None:
        label = torch.tensor(label)
    if case["of"] == "diffusers/UNet2DModel":
        if case["options"].get("time_embedding_type") == "fourier":
            t = t.float()
        output = model(x, t, label).sample
    elif case["of"] == "diffusers/UNet2DConditionModel":
        context = known(1003, (n, case["positions"], case["options"]["cross_attention_dim"]))
        output = model(x, t, context, class_labels=label).sample
    else:
        output = model(x, t, label) if label is not None else model(x, t)
    cotangent = known(1002, output.shape)
    parameters = dict(sorted((name, p) for name, p in model.named_parameters() if p.requires_grad))
    dx, *gradients = torch.autograd.grad((output * cotangent).sum(), [x, *parameters.values()])
    numbers = lambda tensor: [float(f"{v:.7g}") for v in tensor.detach().flatten().tolist()]
    product = lambda g: [float((g.double() ** 2).sum() ** 0.5), float((g.double() * known(7, g.shape).double()).sum())]
    return {
        "output": numbers(output),
        "shape": list(output.shape),
        "dx": numbers(dx),
        "gradients": {name: [float(f"{v:.7g}") for v in product(g)] for name, g in zip(parameters, gradients)},
        "shapes": {name: list(p.shape) for name, p in sorted(model.named_parameters())},
    }


parser = argparse.ArgumentParser()
parser.add_argument("cases")
parser.add_argument("results")
parser.add_argument("--guided")
parser.add_argument("--improved")
args = parser.parse_args()
cases = json.load(open(args.cases))
results = {}
for name, case in cases.items():
    results[name] = run(case, vars(args))
    print(name, file=sys.stderr)
json.dump(results, open(args.results, "w"))
