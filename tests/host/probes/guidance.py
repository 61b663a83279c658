"""How far a clip is from a reference, by the loss that a method of guidance lowers, and the core's own guidance."""

import json

import comfy.sample
import torch

from .probe import Probe, of_the_pack

NOISY_AT = 400


class ProbeGuidanceLoss(Probe):
    """Of two LATENTs with the same noise, at one timestep."""

    @classmethod
    def INPUT_TYPES(cls):
        sockets = {"model": "MODEL", "reference": "LATENT", "latent": "LATENT", "positive": "CONDITIONING"}
        texts = {name: ("STRING", {}) for name in ("method", "block")}
        return {"required": {**{name: (kind,) for name, kind in sockets.items()}, **texts}}

    def say(self, model, reference, latent, positive, method, block):
        jobs = of_the_pack("nodes.host.sampling_job")

        def work(denoiser, clip):
            x0s = torch.stack([x["samples"] for x in (reference, latent)]).to(clip).transpose(1, 2)
            noise = torch.randn(clip.shape, generator=torch.Generator().manual_seed(5))
            noisy = denoiser.schedule.add_noise(denoiser.base.process_latent_in(x0s), noise, NOISY_AT)
            return _LOSSES[method](denoiser, *noisy.split(1), block)

        loss = jobs.run_in_host(model, [positive], reference["samples"], work)
        return {"ui": {"text": [f"{float(loss):.6e}"]}}


class ProbeCompared(Probe):
    """How far the model's attention is from that of the queries and keys that are captured, at its last site."""

    @classmethod
    def INPUT_TYPES(cls):
        sockets = {"model": "MODEL", "latent": "LATENT", "positive": "CONDITIONING"}
        return {"required": {name: (kind,) for name, kind in sockets.items()}}

    def say(self, model, latent, positive):
        jobs, hooks = of_the_pack("nodes.host.sampling_job"), of_the_pack("motion_core.hooks.query_key")
        families = of_the_pack("motion_core.models.families")

        def work(denoiser, clip):
            site, seen, t = families.find_sites(denoiser.module)[-1], {}, torch.full((1,), 0.5)
            with (
                site.to_v.register_forward_hook(lambda _layer, _args, out: seen.update(v=out)),
                site.to_out.register_forward_pre_hook(lambda _layer, args: seen.update(out=args[0])),
            ):
                denoiser.predict(clip, t, denoiser.conditions)
            with hooks.capture_queries_and_keys(site) as found:
                denoiser.predict(clip, t, denoiser.conditions)
            q, k, v = (
                x.reshape(1, -1, site.heads, x.shape[-1] // site.heads).transpose(1, 2)
                for x in (found[0].q, found[0].k, seen["v"])
            )
            attended = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            return float((attended - seen["out"]).abs().max() / seen["out"].abs().max())

        return {"ui": {"text": [f"{jobs.run_in_host(model, [positive], latent['samples'], work):.6e}"]}}


class ProbeCoreGuidance(Probe):
    """The clip of the core's own loop in `steps` steps, on the noise of a seed, guided and with cfg 1."""

    RETURN_TYPES = ("LATENT",)
    OUTPUT_NODE = False

    @classmethod
    def INPUT_TYPES(cls):
        sockets = {"model": "MODEL", "reference": "LATENT", "positive": "CONDITIONING", "nothing": "CONDITIONING"}
        numbers = {name: ("INT", {}) for name in ("steps", "seed")}
        return {
            "required": {**{name: (kind,) for name, kind in sockets.items()}, "settings": ("STRING", {}), **numbers}
        }

    def say(self, model, reference, positive, nothing, settings, steps, seed):
        jobs, tensors = of_the_pack("nodes.host.sampling_job"), of_the_pack("nodes.host.ordinary_tensors")
        methods, sampling = of_the_pack("motion_core.guidance.methods"), of_the_pack("motion_core.sampling.sample")
        given = json.loads(settings)
        config = methods.find_method(given.pop("method"), "starter").configure(**given)
        latents = reference["samples"].clone()

        def work(denoiser, clip):
            tensors.make_ordinary(denoiser.conditions)
            wanted, empty = denoiser.conditions
            timesteps = denoiser.schedule.levels(steps)
            drawn = comfy.sample.prepare_noise(latents, seed).transpose(0, 1)[None]
            noise = denoiser.schedule.add_noise(0 * drawn, drawn, timesteps[0])  # as the host starts below its highest
            with tensors.ordinary_weights(denoiser.base, clip.device):
                guidance = methods.prepare_guidance(denoiser, clip, empty, config, levels=timesteps)
                denoiser.schedule = _down_to_the_clip(denoiser.schedule)
                return sampling.sample(denoiser, noise, [wanted], steps=steps, guidance=guidance)[0].transpose(0, 1)

        with torch.inference_mode(False), torch.no_grad():
            return ({"samples": jobs.run_in_host(model, [positive, nothing], latents, work, gradients=True)},)


def _down_to_the_clip(schedule):
    """Timestep -1 without noise, as hosts have it; the core stops at the noise of timestep 0."""

    class Clean(type(schedule)):
        def alpha_bar(self, t, like):
            return super().alpha_bar(t, like) if torch.as_tensor(t).min() >= 0 else torch.ones_like(like)

    return Clean(schedule.alpha_bars)


def _by_means(denoiser, theirs, ours, block):
    dmt = of_the_pack("motion_core.guidance.dmt")
    means = []
    for z in (ours, theirs):
        with dmt.capture_means(denoiser.module, block, 1) as found:
            _look(denoiser, z)
        means.append(found)
    return sum(dmt.pairwise_cosine(means[0][name], means[1][name]) for name in means[0])


def _by_attention(denoiser, theirs, ours, block):
    clone = of_the_pack("motion_core.guidance.motion_clone")
    names = [site.name for site in clone.find_sites(denoiser.module) if site.name.startswith(f"{block}.")]
    maps = []
    for z in (ours, theirs):
        with clone.capture(denoiser.module, names, stop=True, by_head=True) as found:
            _look(denoiser, z)
        maps.append(found)
    return sum(clone.primary_match(maps[0][name], clone.find_primary(maps[1][name])) for name in names)


def _look(denoiser, z):
    denoiser.predict(z, torch.full((1,), NOISY_AT), denoiser.conditions)


_LOSSES = {"dmt": _by_means, "motion_clone": _by_attention}
