"""The tutorial's U-Net in PyTorch; its modules bear the names of the tutorial's state_dict."""

import math

import torch
from torch import nn


class Sinusoidal(nn.Module):
    def __init__(self, dim):
        super().__init__()
        half = dim // 2
        self.register_buffer("frequencies", torch.exp(torch.arange(half) * (-math.log(10000) / (half - 1))), persistent=False)

    def forward(self, t):
        angles = t.float()[:, None] * self.frequencies[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class ConvNextBlock(nn.Module):
    def __init__(self, dim, dim_out, time_dim=None, mult=2):
        super().__init__()
        self.mlp = nn.Sequential(nn.GELU(), nn.Linear(time_dim, dim)) if time_dim else None
        self.ds_conv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.net = nn.Sequential(
            nn.GroupNorm(1, dim),
            nn.Conv2d(dim, dim_out * mult, 3, padding=1),
            nn.GELU(),
            nn.GroupNorm(1, dim_out * mult),
            nn.Conv2d(dim_out * mult, dim_out, 3, padding=1),
        )
        self.res_conv = nn.Conv2d(dim, dim_out, 1) if dim != dim_out else nn.Identity()

    def forward(self, x, time=None):
        h = self.ds_conv(x)
        if self.mlp is not None:
            h = h + self.mlp(time)[:, :, None, None]
        return self.net(h) + self.res_conv(x)


class Block(nn.Module):
    def __init__(self, dim, dim_out, groups):
        super().__init__()
        self.proj = nn.Conv2d(dim, dim_out, 3, padding=1)
        self.norm = nn.GroupNorm(groups, dim_out)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(self.norm(self.proj(x)))


class ResnetBlock(nn.Module):
    def __init__(self, dim, dim_out, time_dim=None, groups=4):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, dim_out)) if time_dim else None
        self.block1, self.block2 = Block(dim, dim_out, groups), Block(dim_out, dim_out, groups)
        self.res_conv = nn.Conv2d(dim, dim_out, 1) if dim != dim_out else nn.Identity()

    def forward(self, x, time=None):
        h = self.block1(x)
        if self.mlp is not None:
            h = h + self.mlp(time)[:, :, None, None]
        return self.block2(h) + self.res_conv(x)


class Attention(nn.Module):
    """Full or linear attention with 4 heads of 32 features."""

    def __init__(self, dim, linear, heads=4, features=32):
        super().__init__()
        self.linear, self.heads, self.features = linear, heads, features
        self.to_qkv = nn.Conv2d(dim, 3 * heads * features, 1, bias=False)
        out = nn.Conv2d(heads * features, dim, 1)
        self.to_out = nn.Sequential(out, nn.GroupNorm(1, dim)) if linear else out

    def forward(self, x):
        n, _, h, w = x.shape
        q, k, v = self.to_qkv(x).view(n, 3, self.heads, self.features, h * w).unbind(1)
        scale = self.features**-0.5
        if self.linear:
            context = torch.einsum("bhdn,bhen->bhde", k.softmax(dim=-1), v)
            y = torch.einsum("bhde,bhdn->bhen", context, q.softmax(dim=-2) * scale)
        else:
            weights = torch.einsum("bhdi,bhdj->bhij", q * scale, k).softmax(dim=-1)
            y = torch.einsum("bhij,bhdj->bhdi", weights, v)
        return self.to_out(y.reshape(n, self.heads * self.features, h, w))


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.fn, self.norm = fn, nn.GroupNorm(1, dim)

    def forward(self, x):
        return self.fn(self.norm(x))


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return x + self.fn(x)


def attention(dim, linear):
    return Residual(PreNorm(dim, Attention(dim, linear)))


class Unet(nn.Module):
    def __init__(self, dim, mults, channels, blocks, groups):
        super().__init__()
        initial, time_dim = dim // 3 * 2, dim * 4
        widths = [dim * mult for mult in mults]
        pairs = list(zip([initial] + widths[:-1], widths))

        def block(a, b, t=time_dim):
            return ConvNextBlock(a, b, t) if blocks == "convnext" else ResnetBlock(a, b, t, groups)

        self.init_conv = nn.Conv2d(channels, initial, 7, padding=3)
        self.time_mlp = nn.Sequential(Sinusoidal(dim), nn.Linear(dim, time_dim), nn.GELU(), nn.Linear(time_dim, time_dim))
        self.downs = nn.ModuleList(
            nn.ModuleList([block(a, b), block(b, b), attention(b, True), nn.Conv2d(b, b, 4, 2, 1) if i < len(pairs) - 1 else nn.Identity()])
            for i, (a, b) in enumerate(pairs)
        )
        middle = widths[-1]
        self.mid_block1, self.mid_attn, self.mid_block2 = block(middle, middle), attention(middle, False), block(middle, middle)
        self.ups = nn.ModuleList(
            nn.ModuleList([block(2 * b, a), block(a, a), attention(a, True), nn.ConvTranspose2d(a, a, 4, 2, 1)]) for a, b in reversed(pairs[1:])
        )
        self.final_conv = nn.Sequential(block(dim, dim, None), nn.Conv2d(dim, channels, 1))

    def forward(self, x, t):
        time = self.time_mlp(t)
        x = self.init_conv(x)
        skips = []
        for one, two, attend, down in self.downs:
            x = attend(two(one(x, time), time))
            skips.append(x)
            x = down(x)
        x = self.mid_block2(self.mid_attn(self.mid_block1(x, time)), time)
        for one, two, attend, up in self.ups:
            x = up(attend(two(one(torch.cat((x, skips.pop()), dim=1), time), time)))
        return self.final_conv(x)
