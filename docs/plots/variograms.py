"""Draw a rough and a smooth random field, and the slopes of their variograms."""

import numpy as np
from matplotlib import pyplot as plt

from skdxa.displays import PALETTE
from skdxa.texture import variogram

plt.rcParams["font.size"] = 11
SPACING = 1.05, 0.60
SHAPE = 60, 105


def random_field(hurst):
    """Return a Gaussian field with the slope 2 * hurst near the origin."""
    # Four times as large as drawn, since the field repeats at its edges.
    rows, columns = (np.fft.fftfreq(4 * n, step) for n, step in zip(SHAPE, SPACING, strict=True))
    frequency = np.hypot(rows[:, np.newaxis], columns)
    amplitude = np.zeros(frequency.shape)
    amplitude[frequency > 0] = frequency[frequency > 0] ** -(hurst + 1)
    noise = np.random.default_rng(0).normal(size=frequency.shape)
    field = np.fft.ifft2(np.fft.fft2(noise) * amplitude).real[: SHAPE[0], : SHAPE[1]]
    return field / field.std()


figure, axes = plt.subplots(1, 3, figsize=(6, 2.2), width_ratios=[1, 1, 1.5], layout="constrained")
for ax, hurst, colour, mark in zip(
    axes, (0.25, 0.75), (PALETTE["orange"], PALETTE["blue"]), "os", strict=False
):
    field = random_field(hurst)
    ax.imshow(field, cmap="gray", aspect=SPACING[0] / SPACING[1])
    ax.set(xticks=[], yticks=[])
    found = variogram(field, spacing_mm=SPACING, axis="both", max_lag_mm=3.2)
    lag, gamma = np.asarray(found.lag_mm), np.asarray(found.gamma)
    slope, level = np.polyfit(np.log(lag), np.log(gamma), 1)
    ax.set_title(f"slope {slope:.2f}", fontsize=11, color=colour)
    axes[2].loglog(lag, gamma, mark, color=colour)
    axes[2].loglog(lag, np.exp(level) * lag**slope, color=colour)
axes[2].set(xlabel="lag, mm", ylabel="variogram")
axes[2].minorticks_off()
axes[2].set_xticks([0.6, 1, 2, 3], ["0.6", "1", "2", "3"])
axes[2].set_yticks([0.01, 0.1, 1], ["0.01", "0.1", "1"])
