"""Measure what a saved model says of new scans: calls at an error rate, and remarks.

    python experiments/predictions.py [--models 4] [--patients 600] [--epochs 12] [--new 1000]

Each model is fitted, as `skdxa fit` does it, on simulated patients of one site, and applied to
other patients of that site and of the other one: as the mean of the networks of the folds, and as
one network fitted again to all scans.

The first table shows for each class how often its p-value was above 10 %, which the error rate
promises for 90 % of patients like those trained on; how often the class was right at the
threshold whose sensitivity on the out-of-fold scores is 90 %; and which calls were made. The
second shows, for scans as they should be and for pictures that are no such scans, how many are
remarked on: scans of other parts of the body from `--wrong`, a folder of DICOM files, and
simulated scans that were spoilt.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from skdxa.scans import Scan
from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol, fit_model, predict_scans

SITES = ("population", "hospital")
SENSITIVITY = 0.9
OTHER = {"population": "hospital", "hospital": "population"}
# Findings that are remarked on for a good reason.
FOREIGN = ("cement", "rods", "button", "zip_fastener", "contrast", "clips")


def scans_of(cohort):
    return [
        Scan(np.asarray(scan), cohort.spacing_mm, "g/cm2", "simulated")
        for scan in cohort.data["scan"]
    ]


def calls(fitted, final, site, new, seed):
    """Return for each class of each site how often a call was right, or nothing was said."""
    rows = []
    for where in (site, OTHER[site]):
        cohort = make_spine_cohort(new, site=where, random_state=seed)
        truth = cohort.target[fitted.target].to_numpy()
        table = predict_scans(fitted.model, scans_of(cohort), data=fitted.data, error_rate=0.1)
        for label, name in ((0, "negative"), (1, "positive")):
            call = table.loc[truth == label, "call"]
            rows.append(
                {
                    "final": final,
                    "trained at": site,
                    "applied at": where,
                    "class": name,
                    "n": len(call),
                    # The right class is plausible; neither may be named if no class is.
                    "held": (table.loc[truth == label, f"p_{name}"] > 0.1).mean(),
                    "class right": (table.loc[truth == label, "class"] == label).mean(),
                    "named right": (call == name).mean(),
                    "cannot say": (call == "cannot say").mean(),
                    "named wrong": (~call.isin([name, "cannot say"])).mean(),
                }
            )
    return rows


def spoilt(cohort, rng):
    """Yield kinds of pictures that are no sound scans, each with the scans of the cohort."""
    scans = [np.asarray(scan) for scan in cohort.data["scan"]]
    lines = cohort.spine_lines
    filled = [np.nan_to_num(scan) for scan in scans]
    yield "grey levels inverted", [np.nanmax(scan) - scan for scan in scans]
    yield "feet up", [scan[::-1].copy() for scan in scans]
    yield (
        "spine at the edge",
        [
            scan[:, int(line.mean() + rng.uniform(0, 20)) :].copy()
            for scan, line in zip(scans, lines, strict=True)
        ],
    )
    yield (
        "half of the height",
        [scan[: len(scan) // 2].copy() for scan in scans],
    )
    yield "on its side", [scan.T.copy() for scan in scans]
    yield "in mg/cm2", [1000 * scan for scan in scans]
    yield "a tenth of the density", [scan / 10 for scan in scans]
    yield "very blurred", [gaussian_filter(scan, (12, 20)) for scan in filled]
    yield "saturated", [np.minimum(scan, np.nanpercentile(scan, 80)) for scan in scans]
    yield "beside the spine", [np.c_[scan[:, :70], scan[:, -70:]] for scan in scans]
    yield "noise", [rng.normal(0.6, 0.2, scan.shape) for scan in scans]
    yield "one value", [np.full(scan.shape, 0.8) for scan in scans]
    yield (
        "pixels in any order",
        [rng.permutation(scan.ravel()).reshape(scan.shape) for scan in filled],
    )
    yield (
        "half as large",
        [np.pad(scan[::2, ::2], ((41, 41), (75, 75)), constant_values=0.1) for scan in filled],
    )


def remarks(fitted, site, new, seed, wrong):
    """Return for sound scans and each kind of wrong picture the share remarked on."""
    rows = []

    def add(kind, scans):
        table = predict_scans(fitted.model, scans, data=fitted.data)
        said = table["remarks"].fillna("").ne("") | table["error"].notna()
        common = table["remarks"].fillna(table["error"]).str.split(";").str[0]
        common = common[common != ""].str.replace(r"[-\d.]+", "#", regex=True)
        rows.append(
            {
                "scans": kind,
                "n": len(table),
                "remarked on": said.mean(),
                "most often": common.mode().iloc[0] if len(common) else "",
            }
        )

    cohort = make_spine_cohort(new, site=site, random_state=seed)
    scans = np.empty(new, object)
    scans[:] = scans_of(cohort)
    columns = [name for name in cohort.pathology if name.startswith(FOREIGN)]
    foreign = (cohort.pathology[columns].astype(float) > 0).any(axis=1).to_numpy()
    add("sound", list(scans[~foreign]))
    for finding in FOREIGN:
        has = cohort.pathology[[name for name in columns if name.startswith(finding)]]
        has = (has.astype(float) > 0).any(axis=1).to_numpy()
        if has.any():
            add(f"with {finding.replace('_', ' ')}", list(scans[has]))
    few = make_spine_cohort(20, site=site, random_state=seed + 1)
    for kind, pictures in spoilt(few, np.random.default_rng(seed)):
        add(kind, [Scan(picture, few.spacing_mm, "g/cm2", "simulated") for picture in pictures])
    if wrong:
        add(f"files of {Path(wrong).name}", sorted(Path(wrong).glob("*.dcm")))
    return rows


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=int, default=4, help="models per site")
    parser.add_argument("--patients", type=int, default=600, help="patients to train on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--new", type=int, default=1000, help="new patients per site")
    parser.add_argument("--target", default="scoliosis")
    parser.add_argument("--sites", nargs="+", default=SITES, choices=SITES)
    parser.add_argument("--wrong", help="folder of DICOM files of other parts of the body")
    options = parser.parse_args()

    called, remarked = [], []
    for site in options.sites:
        for seed in range(options.models):
            cohort = make_spine_cohort(options.patients, site=site, random_state=seed)
            protocol = Protocol(
                targets=(options.target,), epochs=options.epochs, random_state=seed
            )
            with TemporaryDirectory() as folder:
                for final in ("refit", "folds"):
                    # Both are of the same cross-validation, which the folder keeps.
                    fitted = fit_model(
                        protocol,
                        cohort,
                        rule="sensitivity",
                        sensitivity=SENSITIVITY,
                        final=final,
                        checkpoint=folder,
                        progress=False,
                    )
                    fitted.target = options.target
                    called += calls(fitted, final, site, options.new, 1000 + seed)
            auc = roc_auc_score(fitted.data["oof_label"], fitted.data["oof_score"][0])
            print(f"{site}, model {seed}: pooled AUC {auc:.3f} out of fold", flush=True)
            remarked += [
                {"trained at": site, **row}
                for row in remarks(fitted, site, options.new // 2, 2000 + seed, options.wrong)
            ]
            print_tables(called, remarked)


def print_tables(called, remarked):
    called, remarked = pd.DataFrame(called), pd.DataFrame(remarked)
    by = ["final", "trained at", "applied at", "class"]
    means = called.groupby(by, sort=False).mean()
    # Between models, since the calibrating scans of one are common to all its calls.
    error = called.groupby(by, sort=False)["held"].sem()
    print("\nSimulated patients; calls at an error rate of 10 %, mean over models")
    print(means.assign(**{"standard error of held": error}).round(3).to_string())
    by = ["trained at", "scans"]
    shares = remarked.groupby(by, sort=False).agg(
        {"n": "sum", "remarked on": "mean", "most often": "first"}
    )
    shares["most often"] = shares["most often"].str.slice(0, 60)
    print("\nShare of scans remarked on")
    print(shares.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
