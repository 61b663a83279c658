"""The mathematics of diffusion, without a model: schedule, timesteps, objectives, initial noise, noise samples."""
