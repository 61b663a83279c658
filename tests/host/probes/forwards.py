"""How well, and at what cost, a MODEL predicts noise."""

import time

import comfy.clip_vision
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.patcher_extension
import comfy.samplers
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import comfy.utils
import torch

from .probe import Probe, of_the_pack


class ProbeForward(Probe):
    """How far the MODEL's noise prediction is from the UNet's own, over a few noise levels."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "positive": ("CONDITIONING",)}}

    def say(self, model, positive):
        comfy.model_management.load_models_gpu([model])
        base = model.model
        unet = base.diffusion_model.unet
        text = positive[0][0]
        worst = 0.0
        generator = torch.Generator().manual_seed(0)
        for t in (999, 700, 300, 20):
            sigma = base.model_sampling.sigmas[t]
            x = torch.randn(16, 4, 8, 8, generator=generator) * (1 + sigma**2) ** 0.5
            x0 = base.apply_model(x, sigma.expand(16), c_crossattn=text.expand(16, -1, -1))
            scaled = x / (1 + sigma**2) ** 0.5
            clip = scaled.transpose(0, 1)[None]
            eps = unet(clip, torch.tensor([t]), encoder_hidden_states=text).sample[0].transpose(0, 1)
            worst = max(worst, float((x - sigma * eps - x0).abs().max() / sigma))
        return {"ui": {"text": [f"{worst:.3e}"]}}


class ProbeLoss(Probe):
    """The error of the noise prediction at one noise level, under one noise, in the host's own sampling."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "latent": ("LATENT",), "positive": ("CONDITIONING",)}}

    def say(self, model, latent, positive):
        samples = latent["samples"]
        noise = torch.randn(samples.shape, generator=torch.Generator().manual_seed(5))
        found = []

        class Once(comfy.samplers.Sampler):
            def sample(self, wrap, sigmas, extra_args, callback, noise_, latent_image=None, *rest, **more):
                sigma = wrap.inner_model.model_sampling.sigmas[500]
                x0 = wrap(latent_image + noise * sigma, sigma.expand(len(noise)), **extra_args)
                found.append(float(((latent_image + noise * sigma - x0) / sigma - noise).square().mean()))
                return latent_image

        guider = comfy.samplers.CFGGuider(model)
        guider.inner_set_conds({"positive": positive})
        guider.set_cfg(1.0)
        guider.sample(torch.zeros_like(samples), samples, Once(), torch.tensor([1.0, 0.0]), disable_pbar=True)
        return {"ui": {"text": [f"{found[0]:.6f}"]}}


class ProbeCost(Probe):
    """Processor seconds of a few forwards with guidance, plain and patched in turn: one line a round."""

    @classmethod
    def INPUT_TYPES(cls):
        numbers = {name: ("INT", {}) for name in ("frames", "side", "forwards", "rounds")}
        return {"required": {"plain": ("MODEL",), "patched": ("MODEL",), "positive": ("CONDITIONING",), **numbers}}

    def say(self, plain, patched, positive, frames, side, forwards, rounds):
        latent = torch.zeros(frames, 4, side, side)
        seconds = []

        class Timed(comfy.samplers.Sampler):
            def sample(self, wrap, sigmas, extra_args, callback, noise, latent_image=None, *rest, **more):
                x = noise * sigmas[0]
                for _ in range(forwards):
                    wrap(x, sigmas[:1].expand(frames), **extra_args)
                return latent_image

        def measure(model):
            guider = comfy.samplers.CFGGuider(model)
            guider.set_conds(positive, positive)
            guider.set_cfg(7.5)
            start = time.process_time()
            guider.sample(torch.ones_like(latent), latent, Timed(), torch.tensor([5.0, 0.0]), disable_pbar=True, seed=0)
            return time.process_time() - start

        measure(plain), measure(patched)  # loading and warming up
        for number in range(rounds):
            pair = {which: measure(model) for which, model in _turned({"plain": plain, "patched": patched}, number)}
            seconds.append(f"{pair['plain']:.4f} {pair['patched']:.4f}")
        return {"ui": {"text": ["\n".join(seconds)]}}


def _turned(items, number):
    """Every other time in the other order, so that neither always goes first."""
    return list(items.items())[:: -1 if number % 2 else 1]


class ProbeByHeart(Probe):
    """The error at one noise level under one noise, before and after eight steps on just that."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "latent": ("LATENT",), "positive": ("CONDITIONING",)}}

    def say(self, model, latent, positive):
        hooks, parts = of_the_pack("motion_core.hooks.embedding_hooks"), of_the_pack("motion_core.training.parts")
        tensors, jobs = of_the_pack("nodes.host.ordinary_tensors"), of_the_pack("nodes.host.sampling_job")
        train = of_the_pack("motion_core.training.train")

        def work(denoiser, clip):
            tensors.make_ordinary(denoiser.conditions)
            weights = tensors.ordinary_weights(denoiser.base, clip.device)
            with torch.inference_mode(False), weights, train.frozen(denoiser.module):
                x0, t, losses = clip.clone(), torch.tensor([500]), []
                noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(5))
                found = train.recognize(denoiser.module)
                grids = parts.measure_grids(denoiser, found.sites, parts.Example(x0, denoiser.conditions[0]))
                embedding = parts.MotionEmbedding.zeros(found.family.name, found.sites, grids, x0.shape[2])
                optimizer = torch.optim.Adam([p.requires_grad_() for p in embedding.parameters], lr=0.1)
                with hooks.inject(denoiser.module, embedding), torch.enable_grad():
                    for _ in range(9):
                        z = denoiser.schedule.add_noise(x0, noise, t)
                        loss = (denoiser.predict(z, t, denoiser.conditions) - noise).square().mean()
                        optimizer.zero_grad()
                        loss.backward()
                        optimizer.step()
                        losses.append(loss.item())
                return losses

        with torch.inference_mode(False):
            losses = jobs.run_in_host(model, [positive], latent["samples"].clone(), work, gradients=True)
        return {"ui": {"text": [f"{losses[0]:.6f} {losses[-1]:.6f}"]}}


class ProbeExact(Probe):
    """How far the pack's denoiser in the host is from the core's on the same UNet: exactly 0 where it is the same."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "latent": ("LATENT",), "positive": ("CONDITIONING",)}}

    def say(self, model, latent, positive):
        jobs, core = of_the_pack("nodes.host.sampling_job"), of_the_pack("motion_core.models.zeroscope.denoiser")

        def work(denoiser, clip):
            own = core.UNetDenoiser(denoiser.module, denoiser.schedule)
            noise, worst = torch.randn(clip.shape, generator=torch.Generator().manual_seed(5)), 0.0
            for t in (torch.tensor([number]) for number in (999, 500, 1)):
                z = denoiser.schedule.add_noise(clip, noise, t)
                in_host, in_core = denoiser.predict(z, t, denoiser.conditions), own.predict(z, t, [positive[0][0][0]])
                worst = max(worst, float((in_host - in_core).abs().max()))
            return worst

        return {"ui": {"text": [repr(jobs.run_in_host(model, [positive], latent["samples"], work))]}}
