"""The Python side of stable-diffusion.mjs: makes the folder, or calls its U-Net, and prints a line of JSON."""

import json
import os
import resource
import sys
import time

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

what, folder, calls, size, small = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "true"
unet_folder = os.path.join(folder, "unet")

if what == "make":
    os.makedirs(unet_folder, exist_ok=True)
    with torch.device("meta"):
        model = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, block_out_channels=(32, 64, 128, 128) if small else (320, 640, 1280, 1280)
        )
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, p in model.state_dict().items():
        if p.ndim == 1:
            tensors[name] = torch.full(p.shape, 1.0 if "norm" in name and name.endswith("weight") else 0.01).half()
        else:
            # Uniform, of the variance that keeps that of what goes through.
            bound = (3 / p[0].numel()) ** 0.5
            tensors[name] = torch.empty(p.shape).uniform_(-bound, bound, generator=generator).half()
    save_file(tensors, os.path.join(unet_folder, "diffusion_pytorch_model.safetensors"), {"format": "pt"})
    json.dump({**model.config, "_class_name": "UNet2DConditionModel"}, open(os.path.join(unet_folder, "config.json"), "w"))
    save_file(
        {
            "x": torch.randn(1, 4, size, size, generator=generator),
            "context": torch.randn(1, 77, 768, generator=generator),
        },
        os.path.join(folder, "io.safetensors"),
    )
else:
    io_path = os.path.join(folder, "io.safetensors")
    io = load_file(io_path)
    dtype = torch.bfloat16 if what == "run-bfloat16" else torch.float32
    start = time.perf_counter()
    model = UNet2DConditionModel.from_pretrained(unet_folder, torch_dtype=dtype).eval()
    load = time.perf_counter() - start
    times = []
    with torch.no_grad():
        for _ in range(calls):
            start = time.perf_counter()
            y = model(io["x"].to(dtype), torch.tensor([981]), io["context"].to(dtype)).sample
            times.append(time.perf_counter() - start)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    result = {"load": load, "calls": times, "processor": time.process_time(), "gigabytes": gigabytes}
    if what == "run":
        save_file({**io, "y": y.contiguous()}, io_path)
    else:
        result["difference"] = float((y.float() - io["y"]).abs().max() / io["y"].abs().max())
    print(json.dumps(result))
