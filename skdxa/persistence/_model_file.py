"""Save a fitted model as one file of numbers, and load it.

This format was chosen because a pickle runs any code that its author put into it, so that a model
from another hospital could not be opened safely, and a pickle needs the same version of every
library. A model of skdxa is a few arrays and the parameters that rebuild it. ``zipfile``, ``json``
and NumPy write these, so that no further dependency is needed, and other programs read them:
``numpy.load`` opens the arrays, any ZIP program the card and the parameters.

Alternatives that were considered:

- safetensors holds arrays, but neither labels nor parameters, which would need a second format
  inside its header;
- skops stores any estimator of scikit-learn as its ``__dict__``, private attributes included. Such
  a file depends on the version of scikit-learn, and its list of trusted types must be reviewed by
  those who load it. The few classes that skdxa's models consist of are listed here one by one,
  with their public attributes.
"""

import io
import os
import platform
import re
import warnings
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import sklearn

import skdxa
from skdxa.exceptions import ModelFileError
from skdxa.persistence._card import as_markdown, check_card
from skdxa.persistence._checks import Unfit, mapping, text
from skdxa.persistence._codec import from_json, to_json
from skdxa.persistence._container import (
    DTYPES,
    MOST_BYTES,
    MOST_CARD_BYTES,
    MOST_JSON_BYTES,
    open_archive,
    pack,
    pack_array,
    read_archive,
)
from skdxa.persistence._objects import read_objects, write_objects
from skdxa.validation import irregular_kind, printable, replacing

FORMAT = 1
_KEYS = {"format", "versions", "card", "arrays", "data", "objects"}
_DATA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_MOST_DATA = 100
_MOST_ARRAYS = 4000


def save_model(model, path, *, card=None, data=None):
    """Save a fitted model as one file, which holds numbers and texts but no code.

    Parameters
    ----------
    model : estimator
        A fitted pipeline of `ScanReader`, `SpineCropper`, `HorizontalFlip`, `IntensityScaler`,
        `VariogramSlope` and `SpineCNNClassifier`, one of these, `ColumnScores`, or a stack made
        by `make_stack`; also within scikit-learn's `CalibratedClassifierCV`,
        `FixedThresholdClassifier`, `TunedThresholdClassifierCV` and `FrozenEstimator`. The
        scikit-learn steps `Pipeline`, `StandardScaler`, `SimpleImputer` and
        `LogisticRegression` may be part of it.
    path : str or path-like
        The file to write; the suffix ``.skdxa`` is usual. An existing file is replaced
        only when the new one is complete.
    card : str or dict, default=None
        A description for those who receive the file, in Markdown, such as `model_card` drafts.
        A dict becomes one section per key.
    data : dict of str to array-like, default=None
        Numbers that later predictions need in addition to the model, such as out-of-fold scores
        for conformal prediction: float arrays by name, NaN allowed. Anyone who has the file
        can read them.

    Raises
    ------
    ModelFileError
        If the model holds anything but the classes above, such as a custom network or a
        Keras model, or the file cannot be written; the message says what to do.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    Warns
    -----
    UserWarning
        If parameters that only a fit needs are left out, because they are code or random
        generators: the callbacks, metrics and optimiser objects of a network, a custom
        splitter, a `RandomState`. The loaded model predicts the same and has their defaults.

    See Also
    --------
    load_model : Load the model.
    model_card : Draft a card.

    Notes
    -----
    The same model gives the same bytes, and the SHA-256 of the content is part of the file. It
    detects damage, but is not a signature: compare the file's own hash with the sender's.

    For each class, its parameters are stored, except `n_jobs` and `memory`, and its public fitted
    attributes, except those with one value per training scan (`SpineCropper.quality_`). No scan,
    no label of a patient and no file name is stored.

    A network predicts in float32, also if trained in another `precision`. On another processor
    or with another number of threads TensorFlow adds in another order, so that probabilities
    differ in the seventh digit (by at most 1e-7 in trials with one thread and with older
    instructions of the same processor).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from skdxa.classification import ColumnScores
    >>> from skdxa.persistence import load_model, save_model
    >>> X = pd.DataFrame({"age": [66, 70, 68, 71]})
    >>> path = Path(tempfile.mkdtemp()) / "age.skdxa"
    >>> save_model(ColumnScores("age").fit(X, [0, 1, 0, 1]), path, card="Age alone.")
    >>> load_model(path).decision_function(X)
    array([66., 70., 68., 71.])
    """
    try:
        members, left_out = _members(model, card, data)
        content = pack(members)
        if len(content) > MOST_BYTES:
            raise ModelFileError(
                f"the file would have {len(content) / 2**20:.0f} MiB, more than the "
                f"{MOST_BYTES // 2**20} MiB that load_model accepts. Save parts of it separately."
            )
        # Detect now whether the file cannot be read back.
        with read_archive(io.BytesIO(content)) as archive:
            _read(archive)
        _write(path, content)
    except ModelFileError as error:
        raise ModelFileError(f"{printable(path)}: {str(error).rstrip('.')}.") from error.__cause__
    if left_out:
        warnings.warn(
            f"Not stored, since only a fit needs them: {', '.join(left_out)}. The loaded model "
            "predicts the same and has their defaults.",
            UserWarning,
            stacklevel=2,
        )


def load_model(path, *, return_data=False):
    """Load a model that `save_model` has written; no code in the file is run.

    Parameters
    ----------
    path : str or path-like
        The file.
    return_data : bool, default=False
        Also return the arrays stored with the model.

    Returns
    -------
    model : estimator
        The fitted model.
    data : dict of str to ndarray
        The arrays; only if `return_data` is True.

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged or forged, or was saved by a newer version of skdxa
        in a format that this one does not know; the message says what to do.

    See Also
    --------
    save_model : Save a model.
    read_card : The description in the file.

    Notes
    -----
    Classes are taken from a fixed list, never imported by a name in the file. Sizes are compared
    with the file's own before memory is allocated: at most 256 MiB for a file.

    A file that is safe to load can still predict wrongly. Read the card, and test the
    model on your own scans.

    Examples
    --------
    >>> from skdxa.persistence import load_model
    >>> model = load_model("scoliosis.skdxa")  # doctest: +SKIP
    >>> model.predict_proba(cohort.data)  # doctest: +SKIP
    """
    try:
        with open_archive(path) as archive:
            model, data = _read(archive)
    except ModelFileError as error:
        raise ModelFileError(f"{printable(path)}: {str(error).rstrip('.')}.") from error.__cause__
    return (model, data) if return_data else model


def read_card(path):
    """Return the card of a model file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    card : str or None
        Markdown; None if the model was saved without a card.

    Raises
    ------
    ModelFileError
        If the file is not a model or is damaged.

    Examples
    --------
    >>> from skdxa.persistence import read_card
    >>> print(read_card("scoliosis.skdxa"))  # doctest: +SKIP
    """
    try:
        with open_archive(path) as archive:
            tree = _tree(archive)
            return check_card(archive.text("card.md", MOST_CARD_BYTES)) if tree["card"] else None
    except ModelFileError as error:
        raise ModelFileError(f"{printable(path)}: {str(error).rstrip('.')}.") from error.__cause__


def _members(model, card, data):
    """Return the content of each member, and the parameters that are left out."""
    objects, arrays, left_out = write_objects(model)
    data = _checked_data(data or {})
    card = None if card is None else as_markdown(card)
    tree = {
        "format": FORMAT,
        "versions": _versions(),
        "card": card is not None,
        "arrays": len(arrays),
        "data": {
            name: {"shape": list(array.shape), "dtype": array.dtype.str}
            for name, array in data.items()
        },
        "objects": objects,
    }
    members = {"model.json": to_json(tree).encode()}
    if card is not None:
        try:
            members["card.md"] = card.encode()
        except UnicodeEncodeError:
            raise ModelFileError("card holds half a character (a lone surrogate).") from None
    members.update((f"arrays/{n}.npy", pack_array(array)) for n, array in enumerate(arrays))
    members.update((f"data/{name}.npy", pack_array(array)) for name, array in data.items())
    return members, left_out


def _checked_data(data):
    """Return arrays to be stored with a model as little-endian floats."""
    if not isinstance(data, dict) or len(data) > _MOST_DATA:
        raise ModelFileError(f"data must be a dict of at most {_MOST_DATA} arrays by name.")
    checked = {}
    for name, values in data.items():
        if not isinstance(name, str) or not _DATA_NAME.fullmatch(name):
            raise ModelFileError(
                f"data has the name {name!r}; names are letters, digits and underscores."
            )
        array = np.asarray(values)
        if array.dtype.kind not in "fiub" or array.size == 0:
            raise ModelFileError(
                f"data[{name!r}] must be an array of numbers that is not empty; it is of type "
                f"{array.dtype} and shape {array.shape}."
            )
        array = array.astype("<f4" if array.dtype == np.float32 else "<f8")
        if np.isinf(array).any():
            raise ModelFileError(f"data[{name!r}] holds infinite values. Set them to NaN.")
        checked[name] = array
    return checked


def _versions():
    versions = {
        "skdxa": skdxa.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
    for name in ("keras", "tensorflow"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _write(path, content):
    try:
        try:
            kind = irregular_kind(os.stat(path).st_mode)
        except FileNotFoundError:
            kind = None
        if kind is not None:
            raise ModelFileError(f"this is {kind}, not a file to replace. Choose another name.")
        with replacing(path) as file:
            file.write(content)
    except FileNotFoundError:
        raise ModelFileError("its folder does not exist. Make the folder first.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        why = getattr(error, "strerror", None) or "the path holds a character that no path can"
        raise ModelFileError(f"the file cannot be written ({why}).") from error


def _read(archive):
    """Return the model and the data of an archive."""
    tree = _tree(archive)
    model, used = read_objects(
        tree["objects"], lambda number: _numbered_array(archive, tree["arrays"], number)
    )
    if used != list(range(tree["arrays"])):
        raise ModelFileError("the file holds arrays that are not part of the model.")
    data = {}
    for name, about in tree["data"].items():
        array = archive.array(f"data/{name}.npy")
        if about != {"shape": list(array.shape), "dtype": array.dtype.str}:
            raise ModelFileError(f"data {name} in the file has another shape or type than stated.")
        if np.isinf(array).any():
            raise ModelFileError(f"data {name} in the file holds infinite values.")
        data[name] = array
    return model, data


def _numbered_array(archive, n_arrays, number):
    if number >= n_arrays:
        raise ModelFileError(f"model.json refers to the array {number}, which is not there.")
    return archive.array(f"arrays/{number}.npy")


def _tree(archive):
    """Return model.json as a tree whose outer level has been checked."""
    if archive.names[:1] != ["model.json"]:
        raise ModelFileError(
            "the file does not begin with model.json, so it is not a model of skdxa."
        )
    tree = from_json(archive.text("model.json", MOST_JSON_BYTES))
    if not isinstance(tree, dict) or type(tree.get("format")) is not int:
        raise ModelFileError("model.json states no format.")
    if tree["format"] > FORMAT:
        raise ModelFileError(
            f"the file has format {tree['format']}, and this version of skdxa "
            f"({skdxa.__version__}) reads formats up to {FORMAT}. Update skdxa."
        )
    if tree["format"] < 1 or tree.keys() != _KEYS:
        raise ModelFileError(f"model.json must have the keys {', '.join(sorted(_KEYS))}.")
    try:
        mapping(text, text, most=20)(tree["versions"])
    except Unfit:
        raise ModelFileError("model.json must state versions as texts.") from None
    n_arrays, data = tree["arrays"], tree["data"]
    if type(n_arrays) is not int or not 0 <= n_arrays <= _MOST_ARRAYS:
        raise ModelFileError(f"model.json must state 0 to {_MOST_ARRAYS} arrays.")
    if type(tree["card"]) is not bool or not isinstance(data, dict) or len(data) > _MOST_DATA:
        raise ModelFileError("model.json must state whether there are a card and data.")
    for name, about in data.items():
        known = isinstance(about, dict) and about.keys() == {"shape", "dtype"}
        if not (_DATA_NAME.fullmatch(name) and known and about["dtype"] in DTYPES):
            raise ModelFileError("model.json must state the shape and type of named data.")
    expected = [
        "model.json",
        *(["card.md"] if tree["card"] else []),
        *(f"arrays/{number}.npy" for number in range(n_arrays)),
        *(f"data/{name}.npy" for name in data),
    ]
    if archive.names != expected:
        raise ModelFileError(
            "the members of the file are not those that model.json states. Do not use this file."
        )
    return tree
