"""Draws random small latent pipelines, saves them as diffusers does, and what their parts and they give (compare-pipelines.mjs)."""

import json
import os
import random
import sys

import numpy as np
import torch
import diffusers
from diffusers import AutoencoderKL, LDMPipeline, StableDiffusionPipeline, UNet2DConditionModel, UNet2DModel, VQModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

folder, count, seed, only = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
WORDS = "a red blue small apple cat, hat dog's house! tree on the 3 hill é (oil painting) ".split(" ")
SCHEDULERS = [
    ("PNDMScheduler", {}),
    ("DDIMScheduler", {}),
    ("DPMSolverMultistepScheduler", {}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    ("EulerDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {}),
    ("UniPCMultistepScheduler", {}),
    ("DEISMultistepScheduler", {}),
    ("DPMSolverSinglestepScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
    ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
]


def tokenizer(rng):
    letters = list(map(chr, range(ord("a"), ord("z") + 1)))
    base = [chr(c) for c in range(33, 127)] + [chr(c) for c in range(161, 173)] + [chr(c) for c in range(174, 256)]
    base += [chr(256 + i) for i in range(68)]
    merges = []
    pieces = base + [b + "</w>" for b in base]
    for word in ["red", "apple", "cat", "hat", "the", "house"]:
        parts = list(word[:-1]) + [word[-1] + "</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
                pieces.append("".join(pair))
            parts = [parts[0] + parts[1]] + parts[2:]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    pad = rng.choice(["<|endoftext|>", "!"])
    return CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=rng.choice([8, 11, 16])), vocab


def spread(model, rng):
    """Biases and norms that are not what they begin with."""
    for p in model.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=rng)
    return model.eval()


def widths(rng, levels, multiple):
    return [multiple * rng.choice([1, 2, 3]) for _ in range(levels)]


def condition_unet(rng, cross, groups):
    levels = rng.choice([1, 2, 2, 3])
    heads = rng.choice([1, 2, 4])
    out = widths(rng, levels, groups * heads * rng.choice([1, 2]) * 2)
    attention = [rng.random() < 0.6 for _ in range(levels)]
    per_level = rng.random() < 0.5
    return UNet2DConditionModel(
        sample_size=rng.choice([6, 8]),
        block_out_channels=out,
        layers_per_block=[rng.choice([1, 2]) for _ in range(levels)] if per_level else rng.choice([1, 2]),
        down_block_types=["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attention],
        up_block_types=["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)],
        cross_attention_dim=cross,
        attention_head_dim=[heads] * levels if per_level else heads,
        transformer_layers_per_block=rng.choice([1, 2]),
        use_linear_projection=rng.random() < 0.5,
        norm_num_groups=groups,
        act_fn=rng.choice(["silu", "silu", "gelu"]),
        norm_eps=rng.choice([1e-5, 1e-6]),
        flip_sin_to_cos=rng.random() < 0.7,
        freq_shift=rng.choice([0, 0, 1]),
        resnet_time_scale_shift=rng.choice(["default", "default", "scale_shift"]),
        mid_block_type=rng.choice(["UNetMidBlock2DCrossAttn", "UNetMidBlock2DCrossAttn", None]),
    )


def autoencoder(rng, channels, vq):
    levels = rng.choice([1, 2, 3])
    groups = rng.choice([2, 4])
    kind = VQModel if vq else AutoencoderKL
    more = dict(num_vq_embeddings=24) if vq else {}
    return kind(
        block_out_channels=widths(rng, levels, groups * 2),
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        layers_per_block=rng.choice([1, 2]),
        latent_channels=channels,
        norm_num_groups=groups,
        scaling_factor=rng.choice([0.18215, 0.5, 1.3]),
        sample_size=16,
        **more,
    )


def scheduler(rng, stable):
    name, options = rng.choice(SCHEDULERS)
    saved = diffusers.PNDMScheduler if stable else diffusers.DDIMScheduler
    config = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear") if stable else {}
    if stable:
        config |= dict(skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
        config["prediction_type"] = rng.choice(["epsilon", "epsilon", "v_prediction"])
    return saved(**config), name, options


for number in range(count):
    rng = random.Random(f"{seed}/{number}")
    torch.manual_seed(rng.randrange(2**31))
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    stable = rng.random() < 0.75
    groups = rng.choice([2, 4])
    channels = rng.choice([3, 4, 4])
    steps = rng.choice([1, 2, 5, 7])
    own, name, options = scheduler(rng, stable)
    if only and only not in (name, 'StableDiffusionPipeline' if stable else 'LDMPipeline', f"{'StableDiffusionPipeline' if stable else 'LDMPipeline'}/{name}"):
        continue
    vae = spread(autoencoder(rng, 4 if stable else channels, not stable and rng.random() < 0.6), generator)
    path = os.path.join(folder, str(number))
    n = rng.choice([1, 2, 3])
    if stable:
        tokens, vocab = tokenizer(rng)
        heads = rng.choice([1, 2, 3])
        width = heads * 2 * rng.choice([2, 3, 5])
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(vocab),
                hidden_size=width,
                intermediate_size=rng.choice([12, 20]),
                num_hidden_layers=rng.choice([1, 2, 3]),
                num_attention_heads=heads,
                max_position_embeddings=tokens.model_max_length + rng.choice([0, 3]),
                hidden_act=rng.choice(["quick_gelu", "gelu"]),
                eos_token_id=vocab["<|endoftext|>"],
                bos_token_id=vocab["<|startoftext|>"],
                pad_token_id=tokens.pad_token_id,
            )
        )
        unet = spread(condition_unet(rng, width, groups), generator)
        pipe = StableDiffusionPipeline(
            vae=vae, text_encoder=spread(text, generator), tokenizer=tokens, unet=unet, scheduler=own,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )
    else:
        levels = rng.choice([1, 2])
        unet = spread(
            UNet2DModel(
                sample_size=rng.choice([4, 8]), in_channels=channels, out_channels=channels,
                block_out_channels=widths(rng, levels, groups * 4), layers_per_block=rng.choice([1, 2]),
                down_block_types=["AttnDownBlock2D"] * levels, up_block_types=["AttnUpBlock2D"] * levels,
                norm_num_groups=groups, attention_head_dim=rng.choice([2, 4]),
            ),
            generator,
        )
        pipe = LDMPipeline(vqvae=vae, unet=unet, scheduler=own)
    pipe.set_progress_bar_config(disable=True)
    # Half precision, which both sides compute with as float32, in files of other names.
    if rng.random() < 0.3:
        pipe.to(torch.float16).save_pretrained(path, variant="fp16")
        pipe.to(torch.float32)
    else:
        pipe.save_pretrained(path)
    # It says that sizes must be multiples of 8, whatever the autoencoder.
    pipe.check_inputs = lambda *_, **__: None
    # As it is when it has been opened: what a class fills in by itself is not for another class.
    pipe.scheduler = type(own).from_pretrained(path, subfolder="scheduler")
    given = None
    # Without skip_prk_steps, which DDIM's config does not say, PNDM takes four steps at least.
    if rng.random() < 0.8 and (stable or name != "PNDMScheduler"):
        given = {"_class_name": name, **options}
        keep = dict(clip_sample=False) if stable else {}
        pipe.scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config, **keep, **options)
    if not stable:
        h = w = unet.config.sample_size
    else:
        h, w = rng.choice([3, 4, 6, 8]), rng.choice([4, 5, 8])
    latents = torch.randn(n, unet.config.in_channels, h, w, generator=generator)
    asked = {"steps": steps, "scheduler": given, "t": rng.choice([1, 250, 981])}
    io = {"latents": latents}
    with torch.no_grad():
        if stable:
            say = lambda: " ".join(rng.choice(WORDS) for _ in range(rng.choice([1, 3, 12])))
            asked |= dict(prompt=[say() for _ in range(n)], negativePrompt=[say() for _ in range(n)])
            asked["guidanceScale"] = rng.choice([1, 3.5, 7.5])
            io["embeddings"] = pipe.encode_prompt(asked["prompt"], "cpu", 1, False)[0]
            io["unet"] = unet(latents[:1], asked["t"], io["embeddings"][:1]).sample
        else:
            io["unet"] = unet(latents[:1], asked["t"]).sample
        factor = 2 ** (len(vae.config.block_out_channels) - 1)
        io["picture"] = torch.rand(1, 3, 8 * factor, 4 * factor, generator=generator) * 2 - 1
        encoded = vae.encode(io["picture"])
        io["mean"] = encoded.latents if isinstance(vae, VQModel) else encoded.latent_dist.mean
        io["decoded"] = vae.decode(io["mean"]).sample

    def draw(dtype):
        """The image, with all that is computed in this precision."""
        pipe.to(dtype)
        noise = latents.to(dtype)
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
        if stable:
            return pipe(
                asked["prompt"], negative_prompt=asked["negativePrompt"], guidance_scale=asked["guidanceScale"],
                num_inference_steps=steps, latents=noise, height=h * factor, width=w * factor, output_type="np",
            ).images
        # The pipeline draws its own noise, and scales it before it asks for the steps, by the scale of others where those
        # depend on their number.
        pipe.scheduler.set_timesteps(steps)
        module = sys.modules[LDMPipeline.__module__]
        before, module.randn_tensor = module.randn_tensor, lambda *_, **__: noise
        try:
            return pipe(num_inference_steps=steps, output_type="np").images
        finally:
            module.randn_tensor = before

    with torch.no_grad():
        image = draw(torch.float32)
        io["exact"] = torch.tensor(np.ascontiguousarray(draw(torch.float64)))
    io["image"] = torch.tensor(np.ascontiguousarray(image))
    asked["description"] = f"{type(pipe).__name__}, {type(pipe.scheduler).__name__} {options if given else 'its own'}, {steps} steps, {n} of {h}x{w}"
    save_file({key: value.contiguous().float() for key, value in io.items()}, os.path.join(path, "io.safetensors"))
    json.dump(asked, open(os.path.join(path, "asked.json"), "w"))
