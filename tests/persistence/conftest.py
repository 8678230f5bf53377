"""Models fitted once on a few random images, and a way to forge their files."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa._sklearn import NO_PENALTY
from skdxa.classification import SpineCNNClassifier, make_stack
from skdxa.persistence import save_model
from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper
from skdxa.scan_dtype import ScanArray
from skdxa.texture import VariogramSlope

N = 40


def small_network(**changes):
    """Return an untrained network of 7 x 9 images that trains in no time."""
    settings = {
        "filters": (4,),
        "dense_units": 8,
        "epochs": 2,
        "random_state": 0,
        "augmenter": HorizontalFlip(),
    }
    return make_pipeline(
        SpineCropper(7, 9), IntensityScaler(), SpineCNNClassifier(**{**settings, **changes})
    )


@pytest.fixture(scope="session")
def network():
    return small_network


@pytest.fixture(scope="session")
def cohort():
    """A table of random scans with a type, a clinical column, and labels."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    scans = [rng.normal(size=(8 + i % 3, 30)).astype(np.float32) + y[i] for i in range(N)]
    table = pd.DataFrame({"scan": ScanArray(scans, (1.05, 0.60), "g/cm2")})
    table["age"] = rng.normal(68, 3, size=N)
    return table, np.array(["healthy", "scoliosis"])[y]


@pytest.fixture(scope="session")
def models(cohort):
    """Every supported composition, fitted, by name."""
    X, y = cohort
    pipeline = small_network().fit(X, y)
    texture = make_pipeline(
        VariogramSlope(regions={"left": (0, 7, 0, 12), "right": (0, 7, 12, 24)}),
        SimpleImputer(),
        StandardScaler(),
        LogisticRegression(C=NO_PENALTY),
    ).set_output(transform="pandas")
    stack = make_stack(small_network(), ["age"], cv=2, group_column=None, random_state=0)
    stack.set_params(estimators=[*stack.estimators, ("texture", texture)]).fit(X, y)
    frozen = FrozenEstimator(pipeline)
    made = {
        "bare network": pipeline[-1],
        "pipeline": pipeline,
        "frozen": frozen,
        "texture": texture.fit(X, y),
        "stack": stack,
        "stack without network": make_stack("drop", ["age"], cv=2, random_state=0),
        "vote": VotingClassifier(
            [("all", frozen), ("half", FrozenEstimator(small_network().fit(X[:20], y[:20])))],
            voting="soft",
            weights=[1.0, 2.0],
        ),
        "fixed threshold": FixedThresholdClassifier(frozen, threshold=0.47, pos_label="scoliosis"),
        "tuned threshold": TunedThresholdClassifierCV(pipeline, cv="prefit", refit=False),
        "tuned stack": TunedThresholdClassifierCV(stack, cv="prefit", refit=False),
        "calibrated in folds": CalibratedClassifierCV(small_network(epochs=1), cv=2),
        "calibrated columns": CalibratedClassifierCV(
            make_stack("drop", ["age"], cv=2, random_state=0), cv=3, ensemble=False
        ),
    }
    for method in ("sigmoid", "isotonic", "temperature"):
        made[f"calibrated, {method}"] = CalibratedClassifierCV(frozen, method=method)
    for name, model in made.items():
        if name not in ("bare network", "pipeline", "frozen", "texture", "stack"):
            model.fit(X, y)
    return made


class Forger:
    """Takes a model file apart and puts it together again with a digest that is right."""

    def __init__(self, content):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}

    @property
    def tree(self):
        """The content of model.json."""
        return json.loads(self.members["model.json"])

    @tree.setter
    def tree(self, tree):
        self.members["model.json"] = json.dumps(tree).encode()

    def pack(self, members=None, **how):
        """Return the file; `members` may repeat names, `how` goes to `zipfile.ZipFile`."""
        members = list(self.members.items()) if members is None else members
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", **how) as archive:
            archive.comment = b"sha256:" + bytes(64)
            for name, content in members:
                info = zipfile.ZipInfo(name) if isinstance(name, str) else name
                info.compress_type = how.get("compression", zipfile.ZIP_STORED)
                archive.writestr(info, content)
        return self.signed(buffer.getvalue())

    @staticmethod
    def signed(content):
        """Return the content with the digest that it should have."""
        return content[:-64] + hashlib.sha256(content[:-64]).hexdigest().encode()


@pytest.fixture(scope="session")
def forger():
    return Forger


@pytest.fixture(scope="session")
def saved(models, tmp_path_factory):
    """The file of each composition as bytes, by name."""
    folder = tmp_path_factory.mktemp("models")
    contents = {}
    for number, (name, model) in enumerate(models.items()):
        path = folder / f"{number}.skdxa"
        save_model(model, path, card=f"A {name}.", data={"scores": np.linspace(0, 1, 7)})
        contents[name] = path.read_bytes()
    return contents
