"""The same models and steps in PyTorch, answering one JSON request a line, so that both sides can be timed in turn.

{"op": "build", "blocks": "convnext", "dim": 28, "mults": [1, 2, 4], "channels": 1, "groups": 4}
{"op": "build", "config": {...}}                            or a UNet2DModel of diffusers
{"op": "step", "batch": 128, "size": 28, "repeat": 1}       one training step: t, noise, forward, backward, Adam
{"op": "forward", "batch": 64, "size": 28, "repeat": 1}     one sampling forward, without gradients
Each answer is {"seconds": [...], "peakMegabytes": ...}.
Its arguments are a number of threads, a device, and of channels_last and compile those that are wanted.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch_unet import Unet


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())
    torch.manual_seed(0)
    device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
    layout = torch.channels_last if "channels_last" in sys.argv else torch.contiguous_format
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    network = optimizer = None
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if request["op"] == "build":
            if "config" in request:
                from diffusers import UNet2DModel

                channels = request["config"]["in_channels"]
                model = UNet2DModel(**request["config"])
                network = lambda x, t: model(x, t).sample
            else:
                channels = request["channels"]
                network = model = Unet(request["dim"], request["mults"], channels, request["blocks"], request["groups"])
            model.to(device=device, memory_format=layout)
            if "compile" in sys.argv:
                network = torch.compile(network)
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
            answer["parameters"] = sum(p.numel() for p in model.parameters())
        else:
            batch, size = request["batch"], request["size"]
            x = torch.randn(batch, channels, size, size, device=device).to(memory_format=layout)
            t = torch.randint(0, 200, (batch,), device=device)
            alphas_cumprod = torch.cumprod(1 - torch.linspace(0.0001, 0.02, 200, device=device), 0)
            signal, sigma = alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()
            seconds = []
            for _ in range(request["repeat"]):
                finish()
                start = time.perf_counter()
                if request["op"] == "step":
                    t = torch.randint(0, 200, (batch,), device=device)
                    noise = torch.randn_like(x)
                    xt = signal[t].view(-1, 1, 1, 1) * x + sigma[t].view(-1, 1, 1, 1) * noise
                    optimizer.zero_grad()
                    loss = F.smooth_l1_loss(network(xt, t), noise)
                    loss.backward()
                    optimizer.step()
                    loss.item()
                else:
                    with torch.no_grad():
                        network(x, t)
                finish()
                seconds.append(time.perf_counter() - start)
            answer["seconds"] = seconds
        answer["peakMegabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
        print(json.dumps(answer), flush=True)


main()
