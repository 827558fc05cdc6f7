"""The same models and steps in PyTorch, answering one JSON request a line, so that both sides can be timed in turn.

{"op": "build", "blocks": "convnext", "dim": 28, "mults": [1, 2, 4], "channels": 1, "groups": 4}
{"op": "step", "batch": 128, "size": 28, "repeat": 1}       one training step: forward, backward, Adam
{"op": "forward", "batch": 64, "size": 28, "repeat": 1}     one sampling forward, without gradients
Each answer is {"seconds": [...], "peakMegabytes": ...}.
"""

import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Sinusoidal(nn.Module):
    def __init__(self, dim):
        super().__init__()
        half = dim // 2
        self.register_buffer("frequencies", torch.exp(torch.arange(half) * (-math.log(10000) / (half - 1))))

    def forward(self, t):
        angles = t.float()[:, None] * self.frequencies[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class ConvNextBlock(nn.Module):
    def __init__(self, dim, dim_out, time_dim=None, mult=2):
        super().__init__()
        self.time = nn.Sequential(nn.GELU(), nn.Linear(time_dim, dim)) if time_dim else None
        self.depthwise = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.net = nn.Sequential(
            nn.GroupNorm(1, dim),
            nn.Conv2d(dim, dim_out * mult, 3, padding=1),
            nn.GELU(),
            nn.GroupNorm(1, dim_out * mult),
            nn.Conv2d(dim_out * mult, dim_out, 3, padding=1),
        )
        self.skip = nn.Conv2d(dim, dim_out, 1) if dim != dim_out else nn.Identity()

    def forward(self, x, time=None):
        h = self.depthwise(x)
        if self.time is not None:
            h = h + self.time(time)[:, :, None, None]
        return self.net(h) + self.skip(x)


class ResnetBlock(nn.Module):
    def __init__(self, dim, dim_out, time_dim=None, groups=4):
        super().__init__()
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, dim_out)) if time_dim else None
        half = lambda width: nn.Sequential(nn.Conv2d(width, dim_out, 3, padding=1), nn.GroupNorm(groups, dim_out), nn.SiLU())
        self.first, self.second = half(dim), half(dim_out)
        self.skip = nn.Conv2d(dim, dim_out, 1) if dim != dim_out else nn.Identity()

    def forward(self, x, time=None):
        h = self.first(x)
        if self.time is not None:
            h = h + self.time(time)[:, :, None, None]
        return self.second(h) + self.skip(x)


class Attention(nn.Module):
    """Full or linear attention with 4 heads of 32 features, behind a norm and beside an identity."""

    def __init__(self, dim, linear, heads=4, features=32):
        super().__init__()
        self.linear, self.heads, self.features = linear, heads, features
        self.norm = nn.GroupNorm(1, dim)
        self.qkv = nn.Conv2d(dim, 3 * heads * features, 1, bias=False)
        self.out = nn.Conv2d(heads * features, dim, 1)
        self.out_norm = nn.GroupNorm(1, dim) if linear else nn.Identity()

    def forward(self, x):
        n, _, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, 3, self.heads, self.features, h * w).unbind(1)
        scale = self.features**-0.5
        if self.linear:
            context = torch.einsum("bhdn,bhen->bhde", k.softmax(dim=-1), v)
            y = torch.einsum("bhde,bhdn->bhen", context, q.softmax(dim=-2) * scale)
        else:
            weights = torch.einsum("bhdi,bhdj->bhij", q * scale, k).softmax(dim=-1)
            y = torch.einsum("bhij,bhdj->bhdi", weights, v)
        return x + self.out_norm(self.out(y.reshape(n, self.heads * self.features, h, w)))


class Unet(nn.Module):
    def __init__(self, dim, mults, channels, blocks, groups):
        super().__init__()
        initial, time_dim = dim // 3 * 2, dim * 4
        widths = [dim * mult for mult in mults]
        pairs = list(zip([initial] + widths[:-1], widths))
        block = (lambda a, b, t=time_dim: ConvNextBlock(a, b, t)) if blocks == "convnext" else (lambda a, b, t=time_dim: ResnetBlock(a, b, t, groups))
        self.first = nn.Conv2d(channels, initial, 7, padding=3)
        self.time = nn.Sequential(Sinusoidal(dim), nn.Linear(dim, time_dim), nn.GELU(), nn.Linear(time_dim, time_dim))
        self.downs = nn.ModuleList(
            nn.ModuleList([block(a, b), block(b, b), Attention(b, True), nn.Conv2d(b, b, 4, 2, 1) if i < len(pairs) - 1 else nn.Identity()])
            for i, (a, b) in enumerate(pairs)
        )
        middle = widths[-1]
        self.middle = nn.ModuleList([block(middle, middle), Attention(middle, False), block(middle, middle)])
        self.ups = nn.ModuleList(
            nn.ModuleList([block(2 * b, a), block(a, a), Attention(a, True), nn.ConvTranspose2d(a, a, 4, 2, 1)]) for a, b in reversed(pairs[1:])
        )
        self.last = nn.ModuleList([block(dim, dim, None), nn.Conv2d(dim, channels, 1)])

    def forward(self, x, t):
        time = self.time(t)
        x = self.first(x)
        skips = []
        for one, two, attention, down in self.downs:
            x = attention(two(one(x, time), time))
            skips.append(x)
            x = down(x)
        one, attention, two = self.middle
        x = two(attention(one(x, time)), time)
        for one, two, attention, up in self.ups:
            x = up(attention(two(one(torch.cat((x, skips.pop()), dim=1), time), time)))
        block, conv = self.last
        return conv(block(x))


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads())
    torch.manual_seed(0)
    network = optimizer = None
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if request["op"] == "build":
            network = Unet(request["dim"], request["mults"], request["channels"], request["blocks"], request["groups"])
            optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
            answer["parameters"] = sum(p.numel() for p in network.parameters())
        else:
            batch, size = request["batch"], request["size"]
            channels = network.first.in_channels
            x, noise = torch.randn(batch, channels, size, size), torch.randn(batch, channels, size, size)
            t = torch.randint(0, 200, (batch,))
            seconds = []
            for _ in range(request["repeat"]):
                start = time.perf_counter()
                if request["op"] == "step":
                    optimizer.zero_grad()
                    loss = F.smooth_l1_loss(network(x, t), noise)
                    loss.backward()
                    optimizer.step()
                    loss.item()
                else:
                    with torch.no_grad():
                        network(x, t)
                seconds.append(time.perf_counter() - start)
            answer["seconds"] = seconds
        answer["peakMegabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
        print(json.dumps(answer), flush=True)


main()
