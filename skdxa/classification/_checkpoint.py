"""The state of a training, kept in a file from which a longer training continues."""

import json
import zipfile
from dataclasses import astuple, dataclass, field
from pathlib import Path

import joblib
import numpy as np

from skdxa.exceptions import CheckpointError
from skdxa.validation import replacing

_ABOUT = "about"


@dataclass
class TrainingState:
    """Everything that a training has changed after a number of epochs.

    Parameters
    ----------
    history : dict of str to list of float
        Losses and metrics of each epoch.
    ended : bool
        Whether the training has ended by itself, so that no number of epochs continues it.
    values : list of ndarray
        Weights, random states of layers and the optimiser's variables.
    best_epoch : int or None
        The epoch with the lowest validation error.
    lowest : float
        That error.
    best : list of ndarray
        The weights of that epoch.
    """

    history: dict
    ended: bool
    values: list
    best_epoch: int | None = None
    lowest: float = float("inf")
    best: list = field(default_factory=list)

    @property
    def n_epochs(self):
        """Epochs trained so far."""
        return len(self.history["loss"])


class TrainingCheckpoint:
    """The file in a folder that belongs to one training.

    Parameters
    ----------
    folder : str or path-like
        Made if missing.
    architecture : Architecture
        The network.
    settings : dict
        All else that a training depends on, apart from the number of epochs.
    arrays : list of ndarray
        Images, labels and weights.
    """

    def __init__(self, folder, architecture, settings, arrays):
        settings = sorted((name, repr(value)) for name, value in settings.items())
        # The builder itself is identified by its key.
        network = astuple(architecture)[:-1]
        plain = [np.ascontiguousarray(array) for array in arrays]
        key = joblib.hash([repr(network), settings, plain])
        self.path = Path(folder) / f"training-{key}.npz"

    def read(self, epochs):
        """Return the state of the training, or None if there is none of at most so many epochs."""
        if not self.path.exists():
            return None
        try:
            # Opened here, since np.load does not close a damaged file that it has opened itself.
            with open(self.path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                about = json.loads(str(archive[_ABOUT]))
                values, best = (
                    [archive[f"{kind}-{number}"] for number in range(about.pop(f"n_{kind}"))]
                    for kind in ("values", "best")
                )
            state = TrainingState(**about, values=values, best=best)
        except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"{self.path} is damaged ({error}). Delete it to start the training again."
            ) from error
        return state if state.n_epochs <= epochs else None

    def write(self, state):
        """Write the state of the training, completely or not at all."""
        about = {
            "history": state.history,
            "ended": state.ended,
            "best_epoch": state.best_epoch,
            "lowest": state.lowest,
            "n_values": len(state.values),
            "n_best": len(state.best),
        }
        arrays = {f"values-{number}": value for number, value in enumerate(state.values)}
        arrays |= {f"best-{number}": value for number, value in enumerate(state.best)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as file:
            # Without allow_pickle, which NumPy 2.0 regards as another array. All hold numbers.
            np.savez(file, **arrays, **{_ABOUT: np.array(json.dumps(about))})
