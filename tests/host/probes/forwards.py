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
        core, running = of_the_pack("motion_core.training.train"), of_the_pack("nodes.host.running")
        losses = []

        def work(denoiser, clip):
            with torch.inference_mode(False), running.thawed(denoiser.base, clip.device), core.frozen(denoiser.module):
                x0, text, t = clip.clone(), torch.zeros(1, 1, 1), torch.tensor([500])
                noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(5))
                sites = core.find_sites(denoiser.module)
                grids = core.measure_grids(denoiser, sites, x0, text)
                embedding = core.MotionEmbedding.zeros("animatediff", sites, grids, x0.shape[2])
                optimiser = torch.optim.Adam([p.requires_grad_() for p in embedding.parameters], lr=0.1)
                with core.inject(denoiser.module, embedding), torch.enable_grad():
                    for _ in range(9):
                        z = denoiser.schedule.add_noise(x0, noise, t)
                        loss = (denoiser.predict(z, t, text) - noise).square().mean()
                        optimiser.zero_grad()
                        loss.backward()
                        optimiser.step()
                        losses.append(loss.item())
            return clip

        with torch.inference_mode(False):
            running.run_in_host(model, [_thawed(positive)], latent["samples"].clone(), work, learning=True)
        return {"ui": {"text": [f"{losses[0]:.6f} {losses[-1]:.6f}"]}}


def _thawed(conditioning):
    return [[tensor.clone(), dict(extra)] for tensor, extra in conditioning]
