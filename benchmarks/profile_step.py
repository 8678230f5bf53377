"""List what a training step of SpineCNNClassifier spends its time on.

    python benchmarks/profile_step.py [--precision bfloat16] [--images 512]

One thread trains on random images of 150 x 150 in batches of 32, in a process of its own in which
oneDNN prints the time of each of its operations. The table has each kind of operation that takes
at least one hundredth of the processor time of a step, with the speed of convolutions beside that
of a large product of matrices; what is no operation of oneDNN is the last line.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np

_SIZE = re.compile(r"([a-z]+)(\d+)")


def train(precision, n_images):
    """Train three epochs; print the time of a step and the speed of a product of matrices."""
    from training import matmul_peak

    from skdxa.classification import Architecture, SpineCNNClassifier, lend

    images = np.random.default_rng(0).normal(size=(n_images, 150, 150, 1)).astype(np.float32)
    labels = np.arange(n_images) % 2
    with lend(Architecture.of(SpineCNNClassifier(), (150, 150), precision)) as network:
        network.set_knobs(l2=1e-4, dropout=0.5)
        settings = {"batch_size": 32, "shuffle_seed": 0}
        network.fit(images, labels, epochs=1, **settings)
        print("measured from here", flush=True)
        start = time.process_time()
        network.fit(images, labels, epochs=2, **settings)
        milliseconds = 1e3 * (time.process_time() - start)
    print(f"\nstep {milliseconds / (2 * n_images / 32):.3f} ms", flush=True)
    print(f"\npeak {matmul_peak(precision):.1f}")


def operations_of_onednn(lines):
    """Return a dict from (kind, direction, sizes) to the milliseconds of each call."""
    found = defaultdict(list)
    for line in lines:
        fields = line.split(",")
        if line.startswith("onednn_verbose") and "exec" in fields:
            kind, _, direction = fields[fields.index("exec") + 2 :][:3]
            found[kind, direction, fields[-2]].append(float(fields[-1]))
    return found


def flop(kind, sizes):
    """Return the multiplications and additions of a convolution, else NaN."""
    size = {name: int(number) for name, number in _SIZE.findall(sizes)}
    if kind != "convolution":
        return np.nan
    return 2 * np.prod([size[name] for name in ("mb", "ic", "oc", "oh", "ow", "kh", "kw")])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        train(args.precision, args.images)
        return
    one_thread = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    output = subprocess.run(
        [sys.executable, *sys.argv, "--child"],
        env={**os.environ, **one_thread, "ONEDNN_VERBOSE": "profile_exec"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    _, _, measured = output.partition("measured from here")
    lines, _, figures = measured.partition("\nstep ")
    step, peak = float(figures.split()[0]), float(figures.split()[-1])
    found = operations_of_onednn(lines.splitlines())
    n_steps = 2 * args.images / 32
    print(f"{args.precision}, one thread: {step:.1f} ms a step; matrices {peak:.0f} GFLOP/s")
    print("share     ms   GFLOP/s   of matrices  operation")
    totals = {key: sum(each) / n_steps for key, each in found.items()}
    for (kind, direction, sizes), ms in sorted(totals.items(), key=lambda item: -item[1]):
        if ms / step >= 0.01:
            speed = flop(kind, sizes) / 1e6 / ms
            numbers = f"{speed:9.0f}{speed / peak:13.0%}" if kind == "convolution" else " " * 22
            print(f"{ms / step:5.1%}{ms:7.2f} {numbers}  {kind} {direction} {sizes}")
    rest = step - sum(totals.values())
    print(f"{rest / step:5.1%}{rest:7.2f}{'':25}not by oneDNN")


if __name__ == "__main__":
    main()
