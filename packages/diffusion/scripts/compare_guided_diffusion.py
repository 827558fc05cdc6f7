"""Runs guided-diffusion's own code on the cases of compare-guided-diffusion.mjs, in float64: python … <checkout> <cases.json>"""
import json
import sys

import numpy as np
import torch as th

sys.path.insert(0, sys.argv[1])
np.int = int  # Its resampler was written for an older NumPy.
from guided_diffusion import gaussian_diffusion as gd  # noqa: E402
from guided_diffusion import resample, respace  # noqa: E402


def extract(arr, timesteps, shape):
    """Its own without the rounding to float32."""
    return th.from_numpy(arr)[timesteps].view(-1, *[1] * (len(shape) - 1)).expand(shape)


def condition_mean(self, cond_fn, out, x, t, model_kwargs=None):
    return out["mean"] + out["variance"] * self._wrap_model(cond_fn)(x, t)


gd._extract_into_tensor = extract
respace.SpacedDiffusion.condition_mean = condition_mean


def run(case):
    shape, t_all = case["shape"], case["timesteps"]
    tensor = lambda name: th.tensor(case[name], dtype=th.float64).view(shape)
    draws = th.tensor(case["draws"], dtype=th.float64).view(-1, *shape)
    learned = case["variance"].startswith("LEARNED")

    def model(x, t):
        t = t.double().view(-1, 1, 1, 1) / t_all
        main = case["slope"] * x + 0.3 * th.sin(2 * x + 4 * t)
        return th.cat([main, th.cos(x - 3 * t) + case["shift"]], 1) if learned else main

    gradient = lambda x, t: case["scale"] * (th.cos(x + t.double().view(-1, 1, 1, 1) / t_all) - 0.5 * x)

    def diffusion(loss):
        return respace.SpacedDiffusion(
            respace.space_timesteps(t_all, case["respacing"]),
            betas=gd.get_named_beta_schedule(case["schedule"], t_all),
            model_mean_type=gd.ModelMeanType[case["mean"]],
            model_var_type=gd.ModelVarType[case["variance"]],
            loss_type=gd.LossType[loss],
        )

    def drawn(work):
        """What is random: x_T is the first draw, and every randn_like the next."""
        at = iter(draws[1:])
        th.randn_like = lambda x: next(at)
        return work().flatten().tolist()

    hybrid, vlb = diffusion("RESCALED_MSE"), diffusion("RESCALED_KL")
    x0, noise, t = tensor("images"), tensor("noise"), th.tensor(case["t"])
    out = {"timesteps": hybrid.timestep_map, "betas": hybrid.betas.tolist()}
    losses = hybrid.training_losses(model, x0, t, noise=noise)
    out["simple"] = losses["mse"].tolist()
    out["hybrid"] = losses["loss"].tolist()
    out["vlb"] = vlb.training_losses(model, x0, t, noise=noise)["loss"].tolist()
    for clip in (True, False):
        at = iter(draws)
        th.randn_like = lambda x: next(at)
        bits = hybrid.calc_bpd_loop(model, x0, clip_denoised=clip)
        for name in ("total_bpd", "prior_bpd", "vb", "xstart_mse", "mse"):
            out[f"{name}, clip {clip}"] = bits[name].T.flatten().tolist()
    common = dict(noise=draws[0], device="cpu", model_kwargs={})
    ancestral, ddim = hybrid.p_sample_loop, hybrid.ddim_sample_loop
    out["ancestral"] = drawn(lambda: ancestral(model, shape, **common))
    out["ancestral, guided"] = drawn(lambda: ancestral(model, shape, cond_fn=gradient, **common))
    out["ddim"] = drawn(lambda: ddim(model, shape, eta=case["eta"], **common))
    out["ddim, guided"] = drawn(lambda: ddim(model, shape, eta=case["eta"], cond_fn=gradient, **common))
    x = x0
    for i in range(hybrid.num_timesteps):
        x = hybrid.ddim_reverse_sample(model, x, th.tensor([i] * shape[0]))["sample"]
    out["inverted"] = x.flatten().tolist()
    sampler = resample.LossSecondMomentResampler(hybrid, case["history"], case["uniform"])
    for update in case["updates"]:
        sampler.update_with_all_losses(update["t"], update["losses"])
    weights = sampler.weights()
    out["importance"] = (weights / weights.sum()).tolist()
    return out


print(json.dumps([run(case) for case in json.load(open(sys.argv[2]))]))
