"""Compare the training speed of SpineCNNClassifier and plain Keras, alternating in one run.

    python benchmarks/training.py [--images 512] [--epochs 4] [--rounds 5] [--auc-epochs 15]
        [--torch]

Plain Keras is `Model.fit` of the same network, built of standard Keras layers, in float32 with
batches of 32, as a user would write it. With ``--torch``, which needs PyTorch, the same network
is also trained by a plain loop of PyTorch over shuffled batches, with the channels last, in
float32 and in bfloat16 (by ``autocast``). Images and labels are simulated. Because other programs
may run, each round runs everything once, and the ratios are medians over rounds. Other programs
disturb the processor time less than the wall time.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from skdxa.classification import Architecture, SpineCNNClassifier, has_bfloat16, lend
from skdxa.preprocessing import SpineCropper
from skdxa.simulation import make_spine_cohort

# Multiplications and additions of the paper's network, forward and backward, without the
# gradient of the first layer with respect to its input, which training does not use.
_MACS = [150**2 * 25 * 8, 75**2 * 25 * 8 * 16, 37**2 * 25 * 16 * 32, 18**2 * 25 * 32 * 64]
FLOP_PER_IMAGE = 2 * (3 * sum(_MACS) - _MACS[0] + 3 * 5184 * 64)


def plain_keras():
    layers = keras.layers
    model = keras.Sequential([keras.Input((150, 150, 1))])
    for n_kernels in (8, 16, 32, 64):
        model.add(
            layers.Conv2D(
                n_kernels,
                5,
                padding="same",
                activation="relu",
                kernel_regularizer=keras.regularizers.L2(1e-4),
            )
        )
        model.add(layers.MaxPooling2D(2))
    for layer in (
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(64, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ):
        model.add(layer)
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return model


def torch_trainer(X, y, epochs, dtype):
    """Return a function that trains the network for some epochs by a plain loop of PyTorch."""
    import torch
    from torch import nn

    layers, channels = [], 1
    for n_kernels in (8, 16, 32, 64):
        layers += [nn.Conv2d(channels, n_kernels, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        channels = n_kernels
    layers += [nn.Flatten(), nn.Dropout(0.5), nn.Linear(5184, 64), nn.ReLU(), nn.Linear(64, 1)]
    model = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    kernels = [layer.weight for layer in layers if isinstance(layer, nn.Conv2d)]
    optimizer, loss = torch.optim.Adam(model.parameters(), 1e-3), nn.BCEWithLogitsLoss()
    images = torch.from_numpy(X[:, np.newaxis]).to(memory_format=torch.channels_last)
    labels = torch.from_numpy(y.astype(np.float32))[:, None]

    def train():
        model.train()
        for _ in range(epochs):
            for rows in torch.randperm(len(y)).split(32):
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                    scores = model(images[rows])
                penalty = 1e-4 * sum(kernel.square().sum() for kernel in kernels)
                (loss(scores.float(), labels[rows]) + penalty).backward()
                optimizer.step()

    return train


def timed(function):
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - processor


def matmul_peak(dtype, n=2048):
    a = tf.cast(tf.random.normal((n, n)), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.cast(tf.matmul(a, a)[0], tf.float32)))
    float(product())
    best = min(timed(lambda: float(product()))[0] for _ in range(10))
    return 2 * n**3 / best / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--auc-epochs", type=int, default=15, help="0: no AUCs")
    parser.add_argument("--torch", action="store_true", help="compare with PyTorch too")
    args = parser.parse_args()

    cohort = make_spine_cohort(2 * args.images, random_state=0)
    images = SpineCropper().fit_transform(cohort.data)
    labels = cohort.target["scoliosis"].to_numpy().astype(int)
    X, y = images[: args.images], labels[: args.images]
    X_test, y_test = images[args.images :], labels[args.images :]

    settings = {"epochs": args.epochs, "validation_fraction": 0, "random_state": 0}
    cnn = SpineCNNClassifier(**settings)
    pipeline = Pipeline([("cnn", SpineCNNClassifier(**settings))])
    model = plain_keras()
    precision = "bfloat16" if has_bfloat16() else "float32"

    def fit_network():
        with lend(Architecture.of(cnn, (150, 150), precision)) as network:
            network.fit(X[..., None], y, epochs=args.epochs, batch_size=32, shuffle_seed=0)

    runs = {
        "plain Keras, float32, batch 32": lambda: model.fit(
            X[..., None], y, batch_size=32, epochs=args.epochs, verbose=0
        ),
        f"SpineCNNClassifier, {precision}, batch 32": lambda: cnn.fit(X, y),
        "its network alone": fit_network,
        "Pipeline of the classifier": lambda: pipeline.fit(X, y),
    }
    if args.torch:
        for dtype in ("float32", "bfloat16"):
            runs[f"PyTorch, {dtype}, batch 32"] = torch_trainer(X, y, args.epochs, dtype)
    for run in runs.values():
        run()
    times = {name: np.empty((args.rounds, 2)) for name in runs}
    for number in range(args.rounds):
        for name, run in runs.items():
            times[name][number] = timed(run)

    n_trained = args.images * args.epochs
    peaks = {dtype: matmul_peak(dtype) for dtype in ("float32", "bfloat16")}
    base = next(iter(times.values()))
    print(f"\n{args.images} simulated images of 150 x 150, {args.epochs} epochs per fit, medians")
    print(f"{'':42}images/s   ratio   of fastest rounds   of processor time   share of peak")
    for name, spent in times.items():
        rate = n_trained / np.median(spent[:, 0])
        ratio, processor_ratio = np.median(base / spent, axis=0)
        fastest = base[:, 0].min() / spent[:, 0].min()
        dtype = "float32" if "float32" in name else precision
        share = rate * FLOP_PER_IMAGE / 1e9 / peaks[dtype]
        print(
            f"{name:42}{rate:8.0f}{ratio:8.2f}{fastest:20.2f}{processor_ratio:20.2f}{share:16.0%}"
        )
    print(
        "matrix-product peak: "
        + ", ".join(f"{dtype} {peak:.0f} GFLOP/s" for dtype, peak in peaks.items())
    )
    alone, whole = times["its network alone"][:, 0], times["Pipeline of the classifier"][:, 0]
    print(
        f"overhead of fitting a pipeline over its network alone: median "
        f"{np.median(whole - alone):+.2f} s of {np.median(alone):.2f} s"
    )
    if args.auc_epochs:
        scores = {"plain Keras": [], "SpineCNNClassifier": []}
        for seed in range(5):
            keras.utils.set_random_seed(seed)
            model = plain_keras()
            model.fit(X[..., None], y, batch_size=32, epochs=args.auc_epochs, verbose=0)
            scores["plain Keras"].append(model.predict(X_test[..., None], verbose=0)[:, 0])
            cnn.set_params(epochs=args.auc_epochs, random_state=seed).fit(X, y)
            scores["SpineCNNClassifier"].append(cnn.predict_proba(X_test)[:, 1])
        n_test = len(y_test)
        print(f"AUC for simulated scoliosis on {n_test} other patients, {args.auc_epochs} epochs:")
        for name, runs in scores.items():
            each = ", ".join(f"{roc_auc_score(y_test, score):.3f}" for score in runs)
            together = roc_auc_score(y_test, np.mean(runs, axis=0))
            print(f"  {name:20} five seeds {each}; mean score {together:.3f}")


if __name__ == "__main__":
    main()
