"""The U-Net of denoising-diffusion-pytorch on a case: python compare_lucidrains.py CASE.json RESULT.safetensors [TRAINER.pt]

CASE.json: {"options": of Unet, "image": [channels, height, width], "diffusion": of GaussianDiffusion}. The result has the
weights (param/), x, t, the output, and the gradients (grad/) of its sum times probe, computed in float64. With a third
path it also writes what Trainer.save would: the process and its moving average, which has the same weights.
"""

import json
import sys

import torch
from denoising_diffusion_pytorch.denoising_diffusion_pytorch import GaussianDiffusion, Unet
from safetensors.torch import save_file

case = json.load(open(sys.argv[1]))
torch.manual_seed(case.get("seed", 0))
tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in case["options"].items()}
unet = Unet(**tuples)
with torch.no_grad():
    for name, parameter in unet.named_parameters():
        if name.endswith(".g"):
            parameter.mul_(1 + 0.3 * torch.randn_like(parameter))

x = torch.randn(2, *case["image"])
t = torch.tensor(case.get("t", [3, 190]))
if len(sys.argv) > 3:
    from ema_pytorch import EMA

    diffusion = GaussianDiffusion(unet, image_size=case["image"][1], **case["diffusion"])
    ema = EMA(diffusion, beta=0.995, update_every=10)
    saved = {"step": 10, "model": diffusion.state_dict(), "opt": {}, "ema": ema.state_dict(), "scaler": None}
    torch.save({**saved, "version": "2.3.4"}, sys.argv[3])

# The sinusoids are of the default type.
torch.set_default_dtype(torch.float64)
unet = unet.double().eval()
output = unet(x.double(), t.double())
probe = torch.randn(output.shape).float()
(output * probe).sum().backward()
result = {"x": x, "t": t.float(), "probe": probe, "output": output}
for name, parameter in unet.named_parameters():
    result[f"param/{name}"] = parameter
    result[f"grad/{name}"] = parameter.grad
save_file({name: value.detach().float().contiguous() for name, value in result.items()}, sys.argv[2])
