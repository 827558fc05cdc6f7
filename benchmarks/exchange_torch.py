"""Weights to and from PyTorch: exchange_torch.py CONFIG.json IN.safetensors CASE.safetensors OUT.safetensors

Loads the state_dict IN strictly and adds its outputs for CASE's x and t; then, with weights of its own, writes a state_dict and its outputs.
"""

import json
import sys

import torch
from safetensors.torch import load_file, save_file
from torch_unet import Unet

config, given, case, result = sys.argv[1:]
options = json.load(open(config))
build = lambda: Unet(options["dim"], options["dimMults"], options["channels"], "convnext" if options["useConvnext"] else "resnet", options["resnetBlockGroups"]).eval()
inputs = load_file(case)
x, t = inputs["x"].permute(0, 3, 1, 2), inputs["t"].long()
with torch.no_grad():
    outputs = lambda network: network(x, t).permute(0, 2, 3, 1).contiguous()
    theirs = build()
    theirs.load_state_dict(load_file(given), strict=True)
    torch.manual_seed(1)
    own = build()
    state = {f"state/{name}": tensor for name, tensor in own.state_dict().items()}
    save_file({"ours": outputs(theirs), "theirs": outputs(own), **state}, result)
