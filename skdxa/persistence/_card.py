"""A model card: training data, performance, and intended use of a model."""

import platform
import re
from numbers import Real

import pandas as pd
import sklearn
from sklearn.ensemble import VotingClassifier

import skdxa
from skdxa.exceptions import ModelFileError
from skdxa.persistence._container import MOST_CARD_BYTES
from skdxa.persistence._objects import parts_of

# All but tab and end of line: escapes of terminals, and marks that reverse the text direction.
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
_TO_WRITE = "*Not stated.*"
_USE = (
    "Research. The model is not a medical device, and its output is not for decisions about a "
    "patient."
)
_LIMITS = (
    "- Scans of another device, spacing, unit, field of view or patient group than those above "
    "can be scored wrongly without any sign of it. Test the model on your own scans.\n"
    "- The performance is that of the procedure in cross-validation. The model itself was fitted "
    "to these scans, or its parts to most of them, so that its scores of these scans are not "
    "a measure of its performance.\n"
    "- Probabilities are not calibrated if the share of positive scans differs from training."
)
_CITATION = (
    "skdxa {version}; and, for the network, T. Nissinen et al., Bone Reports 14, 2021, 101070, "
    "https://doi.org/10.1016/j.bonr.2021.101070"
)


def model_card(
    model,
    *,
    result=None,
    title=None,
    data=None,
    subgroups=None,
    use=None,
    limits=None,
    citation=None,
):
    """Draft a card for a model, in Markdown, after Mitchell et al. 2019 [1]_.

    Properties of the model and results of its cross-validation are filled in; what is not given
    is marked as not stated.

    Parameters
    ----------
    model : estimator
        A fitted model that `save_model` accepts.
    result : CrossValidationResult, default=None
        Cross-validation of the same kind of model; the card has its `summary`, with intervals, at
        the threshold of the model if it has one.
    title : str, default=None
        First line of the card.
    data : str or dict, default=None
        Where the scans come from: device, population, years, labels and who gave them. Neither
        names nor numbers of patients belong here.
    subgroups : DataFrame, default=None
        Performance by age, sex, device or site; one row per subgroup.
    use : str, default=None
        What the model is for. By default research only.
    limits : str, default=None
        Known limits, put before the general ones.
    citation : str, default=None
        How to cite the model, put before skdxa's own citation.

    Returns
    -------
    card : str
        Markdown, for the `card` of `save_model`.

    Raises
    ------
    ModelFileError
        If the model cannot be saved.

    References
    ----------
    .. [1] M. Mitchell et al., "Model cards for model reporting", Proceedings of the Conference on
       Fairness, Accountability, and Transparency, 2019, 220-229.
       https://doi.org/10.1145/3287560.3287596

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.classification import ColumnScores
    >>> from skdxa.persistence import model_card
    >>> X = pd.DataFrame({"age": [66, 70, 68, 71]})
    >>> card = model_card(ColumnScores("age").fit(X, [0, 1, 0, 1]), title="Age alone")
    >>> card.splitlines()[:3]
    ['# Age alone', '', '## Model']
    """
    sections = {
        "Model": _describe(model),
        "Intended use": use or _USE,
        "Data": _TO_WRITE if data is None else _section(data),
        "Performance": _TO_WRITE if result is None else _performance(result, parts_of(model)),
        "Subgroups": _TO_WRITE if subgroups is None else _table(subgroups),
        "Limits": "\n\n".join(filter(None, [limits, _LIMITS])),
        "How to cite": "\n\n".join(
            filter(None, [citation, _CITATION.format(version=skdxa.__version__)])
        ),
    }
    return as_markdown({"": f"# {title or 'Model card'}", **sections})


def as_markdown(card):
    """Return a card, a text or a dict of sections, as Markdown text.

    Parameters
    ----------
    card : str or dict
        A text is returned as it is.

    Returns
    -------
    text : str
        Of at most 1 MiB.
    """
    if isinstance(card, dict) and all(isinstance(title, str) for title in card):
        card = "\n\n".join(
            f"## {title}\n\n{_section(value)}" if title else _section(value)
            for title, value in card.items()
        )
        card += "\n"
    if not isinstance(card, str):
        raise ModelFileError(
            f"card must be Markdown or a dict of sections; it is a {type(card).__name__}."
        )
    if len(card.encode(errors="replace")) > MOST_CARD_BYTES:
        raise ModelFileError(f"card has more than {MOST_CARD_BYTES} bytes. Shorten it.")
    return check_card(card.replace("\r\n", "\n"))


def check_card(card):
    """Return the text of a card, which must not be able to change a terminal.

    Parameters
    ----------
    card : str
        Markdown.

    Returns
    -------
    card : str
        The same text.
    """
    found = _CONTROL.search(card)
    if found:
        raise ModelFileError(
            f"card holds the control character {found[0]!a}, which could disguise what a terminal "
            "shows. Remove it."
        )
    return card


def _section(value):
    if isinstance(value, dict):
        return "\n".join(f"- {key}: {_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(f"- {_cell(item)}" for item in value)
    if isinstance(value, pd.DataFrame):
        return _table(value)
    return str(value)


def _describe(model):
    """Return a list of the model's parts and facts."""
    parts = parts_of(model)
    names = [type(part).__name__ for part in reversed(parts) if hasattr(part, "fit")]
    facts = {"Parts": ", ".join(dict.fromkeys(names))}
    classes = getattr(model, "classes_", None)
    if classes is not None:
        negative, positive = classes.tolist()
        facts["Classes"] = f"{negative!r} (negative), {positive!r} (positive)"
    dtypes = {str(part.scan_dtype_) for part in parts if getattr(part, "scan_dtype_", None)}
    if dtypes:
        facts["Scans"] = ", ".join(sorted(dtypes))
    networks = [_describe_network(part) for part in parts if hasattr(part, "weights_")]
    for number, network in enumerate(networks, start=1):
        facts["Network" if len(networks) == 1 else f"Network {number}"] = network
    threshold, _, label = _threshold_of(parts)
    if threshold is not None:
        facts["Threshold"] = _cell(threshold)
        if _is_of_the_negative(label, parts):
            facts["Threshold"] += f", of the probability or score of {label!r}"
    facts["Software"] = (
        f"skdxa {skdxa.__version__}, scikit-learn {sklearn.__version__}, "
        f"Python {platform.python_version()}"
    )
    return _section(facts)


def _describe_network(network):
    rows, columns = network.image_shape_
    n_weights = sum(weight.size for weight in network.weights_)
    epochs = len(next(iter(network.history_.values()), ()))
    return (
        f"{rows} x {columns} pixels, kernels {tuple(network.filters)}, {n_weights:,} weights, "
        f"epoch {network.best_epoch_} of {epochs}"
    )


def _threshold_of(parts):
    """Return the threshold of a model and the method and label whose values it is of, or None."""
    # The outermost, which decides, is the last of the parts.
    for part in reversed(parts):
        for name in ("best_threshold_", "threshold"):
            if hasattr(part, name) and hasattr(part, "response_method"):
                label = getattr(part, "pos_label", None)
                return getattr(part, name), part.response_method, label
    return None, None, None


def _is_of_the_negative(label, parts):
    """Return whether a threshold is one of the values of the first class, not the second."""
    return label is not None and label != parts[-1].classes_[1]


def _performance(result, parts):
    """Return the summary of a cross-validation, and what it was computed from."""
    threshold, method, label = _threshold_of(parts)
    is_other = method not in ("auto", result.response_method)
    if isinstance(threshold, str) or is_other or _is_of_the_negative(label, parts):
        threshold = None
    positive = int((result.y == result.classes[1]).sum())
    about = (
        f"Cross-validation, {result.n_repeats} x {result.n_folds} folds, {len(result.y)} scans of "
        f"which {positive} are positive."
    )
    if threshold is not None:
        about += f" Sensitivity, specificity and accuracy are at the threshold {threshold:.4g}."
    if any(isinstance(part, VotingClassifier) for part in parts):
        about += " The numbers are of single models, and this model is a vote of several."
    return f"{about}\n\n{_table(result.summary(threshold=threshold))}"


def _table(frame):
    """Return a DataFrame as a table of Markdown."""
    if not isinstance(frame, pd.DataFrame):
        raise ModelFileError(
            f"subgroups must be a DataFrame, one row per subgroup; it is a {type(frame).__name__}."
        )
    plain = isinstance(frame.index, pd.RangeIndex)
    table = frame if plain else frame.reset_index(names=frame.index.name or "")
    rows = [table.columns, ["---"] * table.shape[1], *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(_cell(item) for item in row) + " |" for row in rows)


def _cell(value):
    if isinstance(value, Real) and not isinstance(value, bool | int):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
