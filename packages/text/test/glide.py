"""Writes glide-text.safetensors, and glide.safetensors of @ddpm/glide: glide-text2im's own Text2ImUNet, run in float32, as its norms ask for.

git clone https://github.com/openai/glide-text2im
PYTHONPATH=glide-text2im python3 packages/text/test/glide.py     (made with PyTorch 2.15, CPU)

Both have weights.* (the state_dict), io.tokens, io.mask, io.xf_proj and io.xf_out; the second also io.x, io.t and io.out. All is in PyTorch's layout. Norms have 8
groups instead of 32. Weights are drawn anew, since some of them begin at 0, and others at whatever was in memory.
"""

from pathlib import Path
from types import SimpleNamespace

import glide_text2im.nn as nn_module
import glide_text2im.unet as unet_module
import torch
from glide_text2im.text2im_model import Text2ImUNet
from safetensors.torch import save_file

torch.manual_seed(0)


class Norm(nn_module.GroupNorm32):
    def forward(self, x):
        y = torch.nn.GroupNorm.forward(self, x)
        return torch.nn.functional.silu(y) if self.swish == 1.0 else y


unet_module.normalization = lambda channels, swish=0.0: Norm(num_channels=channels, num_groups=8, swish=swish)
model = Text2ImUNet(
    text_ctx=6,
    xf_width=16,
    xf_layers=2,
    xf_heads=4,
    xf_final_ln=True,
    xf_padding=True,
    tokenizer=SimpleNamespace(n_vocab=20),
    in_channels=3,
    model_channels=16,
    out_channels=6,
    num_res_blocks=1,
    attention_resolutions=[2],
    channel_mult=(1, 2),
    num_head_channels=8,
    use_scale_shift_norm=True,
    resblock_updown=True,
)
with torch.no_grad():
    for name, parameter in model.named_parameters():
        parameter.copy_(0.5 * torch.randn_like(parameter) / max(1, parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.3 * torch.randn_like(parameter))
        if name.endswith(("embedding", "embedding.weight")):
            parameter.copy_(torch.randn_like(parameter))

x = torch.randn(2, 3, 8, 8)
t = torch.tensor([3, 741])
tokens = torch.tensor([[5, 9, 1, 0, 0, 0], [7, 11, 19, 5, 2, 1]], dtype=torch.int32)
mask = torch.tensor([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]], dtype=torch.int32)
with torch.no_grad():
    text = model.get_text_emb(tokens, mask.bool())
    io = {"tokens": tokens, "mask": mask, **text, "x": x, "t": t.int(), "out": model(x, t, tokens=tokens, mask=mask.bool())}
weights = {f"weights.{name}": value for name, value in model.state_dict().items()}
tensors = {**weights, **{f"io.{name}": value for name, value in io.items()}}
tensors = {name: (value.float() if value.is_floating_point() else value).contiguous() for name, value in tensors.items()}
own = ("weights.token_", "weights.positional_", "weights.padding_", "weights.transformer", "weights.final_ln", "io.tokens", "io.mask", "io.xf_")
here = Path(__file__).parent
save_file(tensors, here / "../../glide/test/glide.safetensors")
save_file({name: value for name, value in tensors.items() if name.startswith(own)}, here / "glide-text.safetensors")
print({name: (tuple(value.shape), value.abs().max().item()) for name, value in tensors.items() if name.startswith("io.")})
