"""The tutorial's training steps in PyTorch, one for each line {"images": base64 of float32 [n, 28, 28, 1]}.

Each answer is {"loss": ..., "seconds": ...}.
"""

import base64
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch_unet import Unet

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(int(sys.argv[2]))
network = Unet(28, [1, 2, 4], 1, "convnext", 8)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
alphas_cumprod = torch.cumprod(1 - torch.linspace(0.0001, 0.02, 200), 0)
signal, sigma = alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()
print(json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    images = torch.frombuffer(bytearray(base64.b64decode(json.loads(line)["images"])), dtype=torch.float32)
    x = images.view(-1, 28, 28, 1).permute(0, 3, 1, 2).contiguous()
    start = time.perf_counter()
    t = torch.randint(0, 200, (x.shape[0],))
    noise = torch.randn_like(x)
    xt = signal[t].view(-1, 1, 1, 1) * x + sigma[t].view(-1, 1, 1, 1) * noise
    optimizer.zero_grad()
    loss = F.smooth_l1_loss(noise, network(xt, t))
    loss.backward()
    optimizer.step()
    value = loss.item()
    print(json.dumps({"loss": value, "seconds": time.perf_counter() - start}), flush=True)
