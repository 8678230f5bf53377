"""A killed run resumes where it was; the folder of another run is refused."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdxa.evaluation import repeated_cross_validate
from skdxa.evaluation._archive import read_arrays, write_arrays
from skdxa.evaluation._checkpoint import Checkpoint, _describe
from skdxa.exceptions import CheckpointError, TrainingError
from skdxa.validation import holding

SHORT = {"n_splits": 3, "n_repeats": 2, "progress": False}


class MarkingClassifier(ClassifierMixin, BaseEstimator):
    """Random scores; writes one file per fit, and stops at the fifth if asked to."""

    def __init__(self, folder, random_state=None):
        self.folder = folder
        self.random_state = random_state

    def fit(self, X, y):
        folder = Path(self.folder)
        (folder / f"{uuid4().hex}.fit").write_text(" ".join(str(row) for row in X[:, 0]))
        if (folder / "stop").exists() and len(list(folder.glob("*.fit"))) == 5:
            print("in the middle of the fifth fit", flush=True)
            threading.Event().wait()
        self.classes_ = np.unique(y)
        self.shift_ = np.random.default_rng(self.random_state).random()
        self.history_ = {"loss": [self.shift_, self.shift_ / 2]}
        return self

    def predict_proba(self, X):
        positive = (np.sin(X[:, 0]) / 2 + self.shift_) % 1
        return np.column_stack([1 - positive, positive])


def cross_validate_marking(folder, checkpoint):
    X, y = np.arange(40).reshape(-1, 1), np.tile([0, 0, 1, 0, 1], 8)
    return repeated_cross_validate(
        MarkingClassifier(str(folder)), X, y, random_state=3, checkpoint=checkpoint, **SHORT
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.tile([0, 0, 1], 14)
    X = pd.DataFrame({"age": rng.normal(68, 2, 42) + y, "tbs": rng.normal(1.3, 0.1, 42)})
    X["scan"] = list(rng.normal(size=(42, 7, 9)))
    return X, y


def numbers_of(random_state=None, **parameters):
    columns = FunctionTransformer(numeric_columns)
    return make_pipeline(columns, LogisticRegression(random_state=random_state, **parameters))


def numeric_columns(X):
    return X.drop(columns="scan", errors="ignore")


def test_a_run_killed_in_the_middle_ends_with_the_same_scores(tmp_path):
    (tmp_path / "stop").touch()
    # Under the name that it has here, since the checkpoint holds the name of the classifier.
    program = (
        "import sys; from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location({__name__!r}, {__file__!r})\n"
        "module = sys.modules[spec.name] = module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "module.cross_validate_marking(sys.argv[1], sys.argv[1] + '/checkpoint')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in the middle of the fifth fit\n"
        process.kill()
    assert process.returncode != 0
    checkpoint = tmp_path / "checkpoint"
    assert len(list(checkpoint.glob("*.npz"))) == 4
    leftover = checkpoint / f".repeat-0001-fold-001.npz.{'0a1b' * 8}.tmp"
    stranger = checkpoint / ".notes.tmp"
    stranger.write_text("of somebody else")
    leftover.write_bytes(b"half a fi")

    (tmp_path / "stop").unlink()
    resumed = cross_validate_marking(tmp_path, checkpoint)
    assert not leftover.exists()
    assert stranger.exists()
    fits = [path.read_text() for path in tmp_path.glob("*.fit")]
    # The fifth split began twice, all others once.
    assert sorted(fits.count(fit) for fit in set(fits)) == [1, 1, 1, 1, 1, 2]

    unbroken_folder = tmp_path / "unbroken"
    unbroken_folder.mkdir()
    unbroken = cross_validate_marking(unbroken_folder, None)
    pd.testing.assert_frame_equal(resumed.scores, unbroken.scores, check_exact=True)
    pd.testing.assert_frame_equal(resumed.histories, unbroken.histories, check_exact=True)
    untimed = ["repeat", "fold", "n_train", "n_test", "best_epoch"]
    pd.testing.assert_frame_equal(resumed.folds[untimed], unbroken.folds[untimed])

    cross_validate_marking(tmp_path, checkpoint)
    assert len(list(tmp_path.glob("*.fit"))) == len(fits)


def test_workers_write_their_splits_and_a_failed_run_resumes(tmp_path, data):
    X, y = data
    found = repeated_cross_validate(
        numbers_of(), X, y, random_state=0, n_jobs=2, checkpoint=tmp_path, **SHORT
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "manifest.json",
        *(f"repeat-{repeat:04d}-fold-{fold:03d}.npz" for repeat in (0, 1) for fold in (0, 1, 2)),
    ]
    (tmp_path / "repeat-0001-fold-002.npz").unlink()
    again = repeated_cross_validate(
        numbers_of(), X, y, random_state=0, checkpoint=tmp_path, **SHORT
    )
    assert again.scores.equals(found.scores)


class KillingClassifier(LogisticRegression):
    """Kills its process while a file exists, in the fits of the second repeat."""

    def __init__(self, file=None):
        super().__init__()
        self.file = file

    def fit(self, X, y):
        if Path(self.file).exists() and len(list(Path(self.file).parent.glob("ck/*.npz"))) >= 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL")
def test_a_killed_worker_is_one_clear_error_and_the_run_resumes(tmp_path):
    X, y = np.arange(40.0).reshape(-1, 1), np.tile([0, 0, 1, 0, 1], 8)
    model, checkpoint = KillingClassifier(str(tmp_path / "kill")), tmp_path / "ck"
    run = SHORT | {"random_state": 0, "checkpoint": checkpoint}
    (tmp_path / "kill").touch()
    with pytest.raises(TrainingError, match=r"a worker process was killed.*are kept in .*ck\."):
        repeated_cross_validate(model, X, y, n_jobs=2, **run)
    assert 2 <= len(list(checkpoint.glob("*.npz"))) < 6
    (tmp_path / "kill").unlink()
    resumed = repeated_cross_validate(model, X, y, **run)
    whole = repeated_cross_validate(model, X, y, random_state=0, **SHORT)
    pd.testing.assert_frame_equal(resumed.scores, whole.scores)


def test_what_a_worker_cannot_write_is_written_on_arrival(tmp_path, data, monkeypatch):
    written = []
    write = Checkpoint.write

    def second_time(self, record):
        split = record["repeat"], record["fold"]
        written.append(split)
        if written.count(split) == 2:
            write(self, record)

    monkeypatch.setattr(Checkpoint, "write", second_time)
    repeated_cross_validate(numbers_of(), *data, checkpoint=tmp_path, **SHORT)
    assert len(list(tmp_path.glob("*.npz"))) == 6


def test_a_worker_without_the_folder_does_not_make_it(tmp_path):
    checkpoint = Checkpoint(tmp_path / "here", {})
    (tmp_path / "here" / "manifest.json").unlink()
    (tmp_path / "here").rmdir()
    checkpoint.write({"repeat": 0, "fold": 0, "arrays": {}})
    assert list(tmp_path.iterdir()) == []


def test_models_of_a_finished_run_are_fitted_again(tmp_path, data):
    X, y = data
    forest = make_pipeline(FunctionTransformer(numeric_columns), RandomForestClassifier(3))
    kwargs = SHORT | {"random_state": 0, "checkpoint": tmp_path}
    repeated_cross_validate(forest, X, y, **kwargs)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    found = repeated_cross_validate(forest, X, y, return_models="median", **kwargs)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert list(found.models) == [(found.median_repeat(), fold) for fold in range(3)]
    for (repeat, fold), model in found.models.items():
        rows = found.scores[(found.scores["repeat"] == repeat) & (found.scores["fold"] == fold)]
        scores = model.predict_proba(X.iloc[rows["row"]])[:, 1]
        np.testing.assert_array_equal(rows["score"], scores)


def test_without_a_seed_a_run_resumes_with_the_seed_it_drew(tmp_path, data):
    first, second = (
        repeated_cross_validate(numbers_of(), *data, checkpoint=tmp_path, **SHORT)
        for _ in range(2)
    )
    assert first.scores.equals(second.scores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"estimator": numbers_of(C=0.5)},
            r"parameter logisticregression__C was 1\.0, is 0\.5\. Undo the change",
        ),
        (
            {"estimator": make_pipeline(StandardScaler(), LogisticRegression())},
            r"estimator parameter functiontransformer was \S+, is absent; .*; and \d+ more\.",
        ),
        ({"estimator": LogisticRegression()}, r"estimator was sklearn.pipeline.Pipeline, is "),
        ({"n_repeats": 3}, "setting n_repeats was 2, is 3; splits changed"),
        ({"n_splits": 4}, "setting n_splits was 3, is 4; splits changed"),
        ({"random_state": 1}, "setting random_state was 0, is 1; splits changed"),
        ({"groups": np.arange(42)}, "data groups changed"),
        ({"params": {"logisticregression__sample_weight": np.ones(42)}}, "fit parameter logistic"),
    ],
)
def test_a_changed_setting_is_refused_by_name(tmp_path, data, change, message):
    X, y = data
    arguments = {
        "estimator": numbers_of(),
        "X": X,
        "y": y,
        "checkpoint": tmp_path,
        "random_state": 0,
        **SHORT,
    }
    repeated_cross_validate(**arguments)
    with pytest.raises(CheckpointError, match="belongs to another run") as caught:
        repeated_cross_validate(**(arguments | change))
    assert caught.match(message)
    assert str(tmp_path) in str(caught.value)


def changed_value(X, y):
    return X.assign(age=np.r_[0.0, X["age"][1:]]), y


def changed_pixel(X, y):
    scans = [scan.copy() for scan in X["scan"]]
    scans[40][6, 8] += 1e-9
    return X.assign(scan=scans), y


def changed_label(X, y):
    return X, np.roll(y, 1)


def lost_column(X, y):
    return X.drop(columns="tbs"), y


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed_value, r"another run: data X\['age'\] changed\."),
        (changed_pixel, r"another run: data X\['scan'\] changed\."),
        (changed_label, r"another run: data y changed; splits changed\."),
        (lost_column, r"another run: data X\['tbs'\] changed\."),
    ],
)
def test_changed_data_are_refused_by_name(tmp_path, data, change, message):
    kwargs = SHORT | {"random_state": 0, "checkpoint": tmp_path}
    repeated_cross_validate(numbers_of(), *data, **kwargs)
    with pytest.raises(CheckpointError, match=message):
        repeated_cross_validate(numbers_of(), *change(*data), **kwargs)


def test_equal_data_elsewhere_in_memory_are_the_same_run(tmp_path, data):
    X, y = data
    kwargs = SHORT | {"random_state": 0, "checkpoint": tmp_path}
    kwargs["stratify"] = pd.DataFrame({"y": y, "scored": [np.nan, 0, 1] * 14})
    repeated_cross_validate(numbers_of(), X, y, **kwargs)
    kwargs["stratify"] = kwargs["stratify"].to_numpy(object)
    turned = [np.asfortranarray(scan) for scan in X["scan"]]
    moved = pd.DataFrame({"scan": turned, **{name: X[name].copy() for name in ("tbs", "age")}})
    repeated_cross_validate(numbers_of(), moved[X.columns], pd.Series(y), **kwargs)


def test_what_does_not_change_a_model_may_change(tmp_path, data):
    kwargs = SHORT | {"random_state": 0, "checkpoint": tmp_path}
    repeated_cross_validate(numbers_of(), *data, **kwargs)
    repeated_cross_validate(numbers_of().set_params(verbose=False), *data, **kwargs)


def test_splits_without_a_manifest_are_refused(tmp_path, data):
    kwargs = SHORT | {"random_state": 0, "checkpoint": tmp_path}
    repeated_cross_validate(numbers_of(), *data, **kwargs)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match=r"holds splits but no manifest\.json"):
        repeated_cross_validate(numbers_of(), *data, **kwargs)


def test_damaged_files_are_named(tmp_path, data):
    kwargs = SHORT | {"random_state": 0, "checkpoint": tmp_path}
    repeated_cross_validate(numbers_of(), *data, **kwargs)
    split = tmp_path / "repeat-0001-fold-000.npz"
    split.write_bytes(split.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"repeat-0001-fold-000\.npz is damaged.*Delete it"):
        repeated_cross_validate(numbers_of(), *data, **kwargs)
    (tmp_path / "manifest.json").write_text('{"setting":')
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged"):
        repeated_cross_validate(numbers_of(), *data, **kwargs)


class Optimizer:
    """Configured as Keras's are, with a name that differs each time."""

    def __init__(self, rate):
        self.rate = rate
        self.name = uuid4().hex

    def get_config(self):
        return {"rate": self.rate}


def network_of(units):
    """Return a builder that is known by its variable alone."""

    def build(image_shape):
        return image_shape, units

    return build


def scaled_by(factor):
    return StandardScaler().fit([[0.0], [float(factor)]])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.float64(0.5), 0.5),
        (np.nan, float("nan")),
        ((1, [2, None]), [1, [2, None]]),
        ({"a": np.arange(3)}, {"a": np.arange(3)}),
        (np.random.RandomState(0), np.random.RandomState(0)),
        (Optimizer(0.1), Optimizer(0.1)),
        (network_of(2), network_of(2)),
        (FrozenEstimator(StandardScaler()), FrozenEstimator(StandardScaler())),
        (stats.uniform(0, 1), stats.uniform(0, 1)),
        (LogisticRegression(), LogisticRegression(n_jobs=2)),
        (np.log, np.log),
        (len, len),
    ],
    ids=lambda value: type(value).__name__,
)
def test_equal_parameters_are_described_alike(first, second):
    described = _describe(first)
    np.random.random_sample()  # noqa: NPY002 - moves the state that scipy's distributions share
    assert described == _describe(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1.0),
        ("1", 1),
        (Optimizer(0.1), Optimizer(0.2)),
        (stats.uniform(0, 1), stats.uniform(0, 2)),
        (np.arange(3), np.arange(3.0)),
        (
            lambda x: x + 1,
            lambda x: x + 2,
        ),
        (changed_label, changed_pixel),
        (LogisticRegression, RandomForestClassifier),
        (LogisticRegression(), RandomForestClassifier()),
        ({"step": [LogisticRegression()]}, {"step": [LogisticRegression(C=2)]}),
        (network_of(2), network_of(64)),
        (scaled_by(1).transform, scaled_by(2).transform),
        (partial(network_of, 2), partial(network_of, 64)),
        (FrozenEstimator(scaled_by(1)), FrozenEstimator(scaled_by(2))),
        (FrozenEstimator(LogisticRegression()), FrozenEstimator(LogisticRegression(C=2))),
        ({"step": scaled_by(1)}, {"step": scaled_by(2)}),
        (
            [StandardScaler()],
            [StandardScaler().set_output(transform="pandas")],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_unequal_parameters_are_distinguished(first, second):
    assert _describe(first) != _describe(second)


FIRST_COLUMN = 0


def columns_from(first):
    def columns(X):
        return X[:, first:]

    return columns


def columns_by_global(X):
    return X[:, FIRST_COLUMN:]


class ColumnsFrom:
    def __init__(self, first):
        self.first = first

    def cut(self, X):
        return X[:, self.first :]


def columns_without_source(first):
    namespace = {}
    exec(f"def columns(X):\n    return X[:, {first}:]\n", namespace)
    return namespace["columns"]


def fitted_scaler(first):
    return scaled_by(1 + first).transform


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (columns_from, r"parameter functiontransformer__func variable first was 0, is 1\. Undo"),
        (lambda first: columns_by_global, r"__func global FIRST_COLUMN was 0, is 1\. Undo"),
        (lambda first: ColumnsFrom(first).cut, r"functiontransformer__func object changed\."),
        (columns_without_source, r"functiontransformer__func code changed\."),
        (fitted_scaler, r"functiontransformer__func object changed\."),
    ],
    ids=["variable", "global", "object", "no source", "fitted object"],
)
def test_scores_of_another_function_are_not_taken(tmp_path, monkeypatch, make, message):
    X, y = np.random.default_rng(0).normal(size=(42, 1)), np.tile([0, 0, 1], 14)
    X = np.hstack([X, X]) if make is not fitted_scaler else X

    def run(first):
        monkeypatch.setattr(sys.modules[__name__], "FIRST_COLUMN", first)
        model = make_pipeline(FunctionTransformer(make(first)), LogisticRegression())
        return repeated_cross_validate(
            model, X, y, random_state=0, checkpoint=tmp_path, n_splits=3, n_repeats=1,
            progress=False,
        )  # fmt: skip

    scores = run(0).scores
    with pytest.raises(CheckpointError, match=message):
        run(1)
    # Made anew, the same function goes on.
    assert run(0).scores.equals(scores)


def test_a_function_that_cannot_be_described_is_refused_before_the_first_fit(tmp_path, data):
    lock = threading.Lock()

    def columns(X):
        with lock:
            return numeric_columns(X)

    model = make_pipeline(FunctionTransformer(columns), LogisticRegression())
    with pytest.raises(
        CheckpointError,
        match=r"the estimator parameter has changed: a _thread\.lock \(cannot pickle "
        r".* in the variable lock of .*columns cannot be described\. Use only .* without a check",
    ):
        repeated_cross_validate(model, *data, checkpoint=tmp_path / "new", **SHORT)
    assert not (tmp_path / "new").exists()
    repeated_cross_validate(model, *data, **SHORT)


def test_a_checkpoint_of_an_earlier_version_is_named(finished):
    folder, go_on = finished
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["format"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=r"created by another version of skdxa"):
        go_on()


def test_another_python_is_named_only_where_something_differs(finished, data):
    folder, go_on = finished
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["python"] = "3.1"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    go_on()
    with pytest.raises(CheckpointError, match=r"C was 1\.0, is 2.* begun with Python 3\.1, with"):
        repeated_cross_validate(
            numbers_of(C=2), *data, **SHORT | {"random_state": 0}, checkpoint=folder
        )


def test_a_search_over_distributions_resumes(tmp_path, data):
    search = RandomizedSearchCV(
        numbers_of(), {"logisticregression__C": stats.loguniform(0.1, 10)}, n_iter=1, cv=2
    )
    kwargs = SHORT | {"n_repeats": 1, "random_state": 0, "checkpoint": tmp_path}
    first, second = (repeated_cross_validate(search, *data, **kwargs) for _ in range(2))
    assert first.scores.equals(second.scores)


class Halves:
    """A splitter without a description of its own."""

    def split(self, X, y=None, groups=None):
        rows = np.arange(len(y))
        return [(rows[rows % 2 != half], rows[rows % 2 == half]) for half in range(2)]


@pytest.mark.parametrize("cv", [LeaveOneGroupOut(), StratifiedKFold(3, shuffle=True), Halves()])
def test_a_run_on_the_folds_of_a_splitter_resumes(tmp_path, cv):
    rng = np.random.default_rng(0)
    X, y, site = rng.normal(size=(42, 2)), np.tile([0, 0, 1], 14), np.repeat(list("abcd"), 11)[:42]
    run = {"n_repeats": 2, "progress": False, "cv": cv}
    if isinstance(cv, LeaveOneGroupOut):
        run["cv_groups"] = site
    expected = repeated_cross_validate(
        RandomForestClassifier(2), X, y, random_state=5, checkpoint=tmp_path, **run
    )
    for file in sorted(tmp_path.glob("repeat-*.npz"))[1::2]:
        file.unlink()
    found = repeated_cross_validate(RandomForestClassifier(2), X, y, checkpoint=tmp_path, **run)
    pd.testing.assert_frame_equal(found.scores, expected.scores)
    other = run | {"cv": list(Halves().split(X, y)), "cv_groups": None}
    with pytest.raises(CheckpointError, match=r"setting cv was .*, is 'a list of splits'"):
        repeated_cross_validate(RandomForestClassifier(2), X, y, checkpoint=tmp_path, **other)


# Damage, and disks that cannot be written to


@pytest.fixture
def finished(tmp_path, data):
    """Return the folder of a run whose splits are all finished, and how to resume it."""
    folder = tmp_path / "finished"

    def go_on():
        return repeated_cross_validate(
            numbers_of(), *data, **SHORT | {"random_state": 0}, checkpoint=folder
        )

    go_on()
    return folder, go_on


def test_flipped_bits_are_one_clear_error(finished):
    folder, go_on = finished
    path = sorted(folder.glob("*.npz"))[1]
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for place in rng.integers(0, 8 * len(content), size=60):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with contextlib.suppress(CheckpointError):
            go_on()
            continue
        messages.append(_message_of(go_on))
    # What is not found lies in bits that a ZIP file does not use, such as times.
    assert len(messages) > 40
    for message in messages:
        assert message.startswith(f"{path} is damaged")
        assert message.endswith("Delete it to run the split again.")


def _message_of(function):
    with pytest.raises(CheckpointError) as caught:
        function()
    return str(caught.value)


@pytest.mark.parametrize("change", ["nan", "other rows", "other split", "no dict"])
def test_splits_that_hold_something_else_are_refused(finished, change):
    folder, go_on = finished
    path = sorted(folder.glob("*.npz"))[0]
    arrays, about = read_arrays(path)
    if change == "nan":
        arrays["score"][2] = np.nan
    elif change == "other rows":
        arrays["row"] = arrays["row"] + 1
    elif change == "other split":
        about["fold"] = 1
    else:
        about = ["no", "dict"]
    write_arrays(path, arrays, about)
    with pytest.raises(CheckpointError, match=r"is damaged.*Delete it to run the split again"):
        go_on()
    path.unlink()
    go_on()


def test_a_full_disk_names_the_checkpoint_and_keeps_what_is_finished(tmp_path, data, monkeypatch):
    folder = tmp_path / "full"
    written = []

    def write(path, arrays, about):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write_arrays(path, arrays, about)

    run = SHORT | {"random_state": 0, "checkpoint": folder}
    monkeypatch.setattr("skdxa.evaluation._checkpoint.write_arrays", write)
    message = (
        r"full cannot be written to \(No space left on device\)\. Free some space, or use "
        "another folder; splits that are finished are kept"
    )
    with pytest.raises(CheckpointError, match=message):
        repeated_cross_validate(numbers_of(), *data, **run)
    assert len(list(folder.glob("*.npz"))) == 2
    assert not list(folder.glob(".*"))
    monkeypatch.undo()
    resumed = repeated_cross_validate(numbers_of(), *data, **run)
    whole = repeated_cross_validate(numbers_of(), *data, **SHORT | {"random_state": 0})
    pd.testing.assert_frame_equal(resumed.scores, whole.scores)


def test_what_to_do_about_a_refused_permission_is_told(tmp_path, data, monkeypatch):
    def write(path, arrays, about):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("skdxa.evaluation._checkpoint.write_arrays", write)
    message = r"\(Permission denied\)\. Change its permissions or those of its folder, or use anot"
    with pytest.raises(CheckpointError, match=message):
        repeated_cross_validate(numbers_of(), *data, **SHORT, checkpoint=tmp_path / "held")


def test_a_folder_that_cannot_be_made_is_named(tmp_path, data):
    (tmp_path / "file").write_text("")
    message = r"file/here cannot be written to \(Not a directory\)\. Use another folder"
    with pytest.raises(CheckpointError, match=message):
        repeated_cross_validate(
            numbers_of(), *data, **SHORT, checkpoint=tmp_path / "file" / "here"
        )


def test_a_second_run_on_the_folder_is_refused(tmp_path, data):
    with (
        holding(tmp_path, CheckpointError),
        pytest.raises(CheckpointError, match=r"is in use by process \d+"),
    ):
        repeated_cross_validate(numbers_of(), *data, **SHORT, checkpoint=tmp_path)
    assert list(tmp_path.iterdir()) == []
