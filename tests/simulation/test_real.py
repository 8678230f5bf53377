"""Simulated scans compared with a real one of the same geometry.

``pytest -s tests/simulation/test_real.py`` prints the figures.
"""

from itertools import pairwise

import numpy as np
import pytest

from skdxa.preprocessing import find_spine_line, resample
from skdxa.scans import read_scan
from skdxa.simulation import make_spine_scan

SPACING_MM = (1.05, 0.60)
FACTOR = 1.5
# Rows of the centres of L1 to L4 on the real scan, read off the picture.
REAL_CENTRES = (31, 67, 105, 147)
BONE_MM, TISSUE_MM = 16.0, 45.0


@pytest.fixture(scope="module")
def real(real_data):
    (path,) = (real_data / "dxa").glob("*.2.2.12.1.dcm")
    scan = read_scan(path)
    pixels = resample(scan.pixels, scan.spacing)
    return pixels, find_spine_line(pixels), REAL_CENTRES


@pytest.fixture(scope="module")
def simulated():
    """Healthy spines of the real one's size: pixels, spine line, rows of L1 to L4."""
    spines = [
        make_spine_scan(
            2.0, bmd=[1.0, 1.05, 1.1, 1.1], size=(1.20, 1.17), n_rows=178, random_state=seed
        )
        for seed in range(12)
    ]
    return [
        (s.scan, s.spine_line, s.endplates[1:5].mean(axis=1)[:, 1] / SPACING_MM[0]) for s in spines
    ]


def millimetres(scan, line):
    """Distance of each pixel from the spine line, to the right."""
    return (np.arange(scan.shape[1]) - line[:, None]) * SPACING_MM[1]


def lumbar_rows(scan, centres):
    rows = np.arange(scan.shape[0])[:, None]
    return (rows > centres[0] - 14) & (rows < centres[3] + 14)


def medians(scan, line, centres):
    away = np.abs(millimetres(scan, line))
    inside = lumbar_rows(scan, centres)
    tissue = np.nanmedian(scan[inside & (away > TISSUE_MM)])
    return tissue, np.nanmedian(scan[inside & (away < BONE_MM)])


def in_units_of_bone(scan, line, centres):
    """Map soft tissue to 0 and bone to 1, by the scan's own medians."""
    tissue, bone = medians(scan, line, centres)
    return (scan - tissue) / (bone - tissue)


@pytest.fixture(scope="module")
def pair(real, simulated):
    """Both sides in units of bone, cut off where the real picture saturates."""
    mapped = in_units_of_bone(*real)
    tissue, bone = medians(*real)
    saturation = (250 - tissue) / (bone - tissue)

    def cut(scan):
        return np.minimum(scan, saturation)

    return (
        [(cut(mapped), *real[1:])],
        [(cut(in_units_of_bone(*one)), *one[1:]) for one in simulated],
        saturation,
    )


def report(title, at, one, other):
    print(f"\n{title}: at, real, simulated, ratio")
    for row in zip(at, one, other, other / one, strict=True):
        print("  " + " ".join(f"{value:8.3f}" for value in row))


def profile(scans, edges):
    """Mean across the spine, both sides together."""
    means = []
    for scan, line, centres in scans:
        away = np.abs(millimetres(scan, line))
        inside = lumbar_rows(scan, centres)
        means.append(
            [
                np.nanmean(scan[inside & (away >= low) & (away < high)])
                for low, high in pairwise(edges)
            ]
        )
    return np.mean(means, axis=0)


def histogram(scans, edges):
    shares = []
    for scan, line, centres in scans:
        bone = scan[lumbar_rows(scan, centres) & (np.abs(millimetres(scan, line)) < BONE_MM)]
        shares.append(np.histogram(bone, edges)[0] / bone.size)
    return np.mean(shares, axis=0)


def spectrum(scans, edges):
    """Radial power spectrum of the vertebrae, in windows of 34 x 42 mm."""
    half = (16, 35)
    powers = []
    hann = np.outer(np.hanning(2 * half[0]), np.hanning(2 * half[1]))
    fy, fx = (np.fft.fftfreq(2 * h, s) for h, s in zip(half, SPACING_MM, strict=True))
    radius = np.hypot(fy[:, None], fx)
    for scan, line, centres in scans:
        for centre in np.round(centres).astype(int):
            middle = round(float(line[centre]))
            patch = scan[centre - half[0] : centre + half[0], middle - half[1] : middle + half[1]]
            patch = patch[: 2 * half[0]]
            if patch.shape != hann.shape or np.isnan(patch).any():
                continue
            power = np.abs(np.fft.fft2((patch - patch.mean()) * hann)) ** 2
            powers.append(
                [power[(radius >= low) & (radius < high)].mean() for low, high in pairwise(edges)]
            )
    return np.mean(powers, axis=0)


def test_profile_across_the_spine(pair):
    edges = np.arange(0, 27, 2.0)
    one, other = profile(pair[0], edges), profile(pair[1], edges)
    report("mean profile, mm from the line", edges[:-1], one, other)
    seen = one > 0.1
    assert seen.sum() >= 11
    assert (np.abs(np.log(other[seen] / one[seen])) < np.log(FACTOR)).all()


def test_histogram_inside_bone(pair):
    edges = np.arange(0.3, pair[2], 0.15)
    one, other = histogram(pair[0], edges), histogram(pair[1], edges)
    report("histogram inside bone", edges[:-1], one, other)
    seen = one > 0.02
    assert seen.sum() >= 6
    assert (np.abs(np.log(other[seen] / one[seen])) < np.log(FACTOR)).all()


def test_power_spectrum_of_vertebrae(pair):
    edges = np.array([0.02, 0.05, 0.08, 0.11, 0.14, 0.18, 0.22, 0.27, 0.32, 0.38, 0.45])
    one, other = spectrum(pair[0], edges), spectrum(pair[1], edges)
    report("power spectrum, cycles/mm", edges[:-1], one, other)
    assert (np.abs(np.log(other / one)) < np.log(FACTOR)).all()
