"""Write the file of one version of scikit-learn: a tuned, calibrated stack of random images.

    python tests/data/persistence/make.py

Run once per version to support; the file is named after the installed version.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.classification import SpineCNNClassifier, make_stack
from skdxa.persistence import save_model
from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper
from skdxa.scan_dtype import ScanArray
from skdxa.texture import VariogramSlope


def main():
    """Fit the model and write it beside this script."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    scans = rng.normal(size=(40, 8, 30)).astype(np.float32) + y[:, None, None] * np.float32(0.5)
    X = pd.DataFrame({"scan": ScanArray(list(scans), (1.05, 0.60), "g/cm2")})
    X["age"] = rng.normal(68, 3, size=40)
    cnn = SpineCNNClassifier(
        filters=(4,), dense_units=4, epochs=3, augmenter=HorizontalFlip(), random_state=0
    )
    network = make_pipeline(SpineCropper(7, 9), IntensityScaler(), cnn)
    texture = make_pipeline(
        VariogramSlope(), SimpleImputer(), StandardScaler(), LogisticRegression()
    ).set_output(transform="pandas")
    stack = make_stack(network, "age", cv=2, random_state=0)
    stack.set_params(estimators=[*stack.estimators, ("texture", texture)])
    labels = np.array(["healthy", "scoliosis"])[y]
    frozen = FrozenEstimator(stack.fit(X, labels))
    for method in ("sigmoid", "isotonic", "temperature"):
        calibrated = CalibratedClassifierCV(frozen, method=method, cv=2).fit(X, labels)
        model = TunedThresholdClassifierCV(calibrated, cv="prefit", refit=False).fit(X, labels)
        major, minor = sklearn.__version__.split(".")[:2]
        save_model(
            model,
            Path(__file__).with_name(f"sklearn_{major}_{minor}_{method}.skdxa"),
            data={
                "scans": scans[:6],
                "age": X["age"][:6],
                "probability": model.predict_proba(X)[:6],
                "positive": model.predict(X)[:6] == "scoliosis",
            },
        )


if __name__ == "__main__":
    main()
