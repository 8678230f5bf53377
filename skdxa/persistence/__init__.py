"""Save a fitted model as one file, and load it without running any code of the file."""

from skdxa.persistence._card import model_card
from skdxa.persistence._model_file import load_model, read_card, save_model

__all__ = ["load_model", "model_card", "read_card", "save_model"]
