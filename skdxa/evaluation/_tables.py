"""Tables of performance, one row per experiment, and the texts they are printed as."""

import pandas as pd

from skdxa.evaluation._metrics import METRICS

_BOUNDS = (("_low", "_high"), ("_minimum", "_maximum"))
_LATEX_ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def performance_table(
    results, *, y=None, threshold=None, interval="stability", level=0.95, random_state=None
):
    """Return a table of cross-validated performance, one row per experiment.

    Parameters
    ----------
    results : dict of str to CrossValidationResult
        Results by the name of the experiment.
    y : array-like of shape (n_scans,) or dict, optional
        Other labels to score against; a dict holds them by experiment, and experiments that
        it lacks are scored by the labels trained on.
    threshold : float or dict, optional
        Positive is ``score >= threshold``; a dict holds the thresholds by experiment.
    interval, level : as in `CrossValidationResult.summary`
        Kind and confidence level of the intervals.
    random_state : int, RandomState instance or None, default=None
        Seeds the bootstrap.

    Returns
    -------
    pandas.DataFrame of shape (n_experiments, 13)
        Index `experiment`; columns `sensitivity`, `sensitivity_low`,
        `sensitivity_high`, and so on for `specificity`, `accuracy` and `auc`: plain
        numbers from 0 to 1; and `aggregation`, "mean of folds" or "pooled": what these numbers
        are, by the kind of interval.

    Raises
    ------
    ValueError
        If `y` or `threshold` names an experiment that is not among the results.

    See Also
    --------
    format_table : The table as text.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import performance_table, repeated_cross_validate
    >>> X, y = make_classification(100, flip_y=0.2, random_state=0)
    >>> result = repeated_cross_validate(
    ...     LogisticRegression(), X, y, n_splits=5, n_repeats=2, random_state=0, progress=False
    ... )
    >>> table = performance_table({"Logistic regression": result})
    >>> table.columns[:3].tolist()
    ['sensitivity', 'sensitivity_low', 'sensitivity_high']
    """
    for name, option in (("y", y), ("threshold", threshold)):
        unknown = set(option) - set(results) if isinstance(option, dict) else ()
        if unknown:
            raise ValueError(
                f"{name} names experiments that are not among the results: {sorted(unknown)}."
            )

    def of(option, experiment):
        return option.get(experiment) if isinstance(option, dict) else option

    summaries = {
        experiment: result.summary(
            of(y, experiment),
            threshold=of(threshold, experiment),
            interval=interval,
            level=level,
            random_state=random_state,
        )
        for experiment, result in results.items()
    }
    table = _one_row_each(summaries, {"estimate": "", "low": "_low", "high": "_high"})
    return table.assign(aggregation=[found["aggregation"].iloc[0] for found in summaries.values()])


def external_table(tests):
    """Return a table of external tests, one row per experiment.

    Parameters
    ----------
    tests : dict of str to DataFrame
        Tables from `external_test`, by the name of the experiment.

    Returns
    -------
    pandas.DataFrame of shape (n_experiments, 12)
        Index `experiment`; columns `sensitivity` (the mean over the models),
        `sensitivity_minimum`, `sensitivity_maximum`, and so on for `specificity`,
        `accuracy` and `auc`.

    See Also
    --------
    format_table : The table as text.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.evaluation import external_table, format_table
    >>> test = pd.DataFrame(
    ...     {
    ...         "mean": [0.745, 0.937, 0.896, 0.93],
    ...         "minimum": [0.65, 0.909, 0.883, 0.92],
    ...         "maximum": [0.805, 0.969, 0.902, 0.95],
    ...     },
    ...     index=["sensitivity", "specificity", "accuracy", "auc"],
    ... )
    >>> external_table({"Scoliosis": test})["auc_maximum"].tolist()
    [0.95]
    """
    return _one_row_each(tests, {"mean": "", "minimum": "_minimum", "maximum": "_maximum"})


def format_table(table, to="markdown"):
    """Return a table of performance as text: per cent with one decimal, AUC with two.

    Parameters
    ----------
    table : pandas.DataFrame
        From `performance_table` or `external_table`.
    to : {"markdown", "text", "latex", "html", "frame"}, default="markdown"
        Kind of text, or "frame" for a DataFrame of texts. "text" has aligned columns, for
        a terminal. The LaTeX is a ``tabular`` environment that needs no package.

    Returns
    -------
    str or pandas.DataFrame
        Each cell as in ``70.5 (70.0, 71.0)``: the estimate, and its interval or, of an
        external test, minimum and maximum. Undefined numbers are ``NA``. The column of the AUC
        is called "AUC, mean of folds" or "AUC, pooled" if the column `aggregation` says so.

    Raises
    ------
    ValueError
        If the table has no metric with its bounds, or `to` is none of the five.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.evaluation import format_table
    >>> numbers = {"sensitivity": [0.705], "sensitivity_low": [0.7], "sensitivity_high": [0.71]}
    >>> table = pd.DataFrame(numbers, index=pd.Index(["Scoliosis"], name="experiment"))
    >>> print(format_table(table))
    | Experiment | Sensitivity (%) |
    | --- | --- |
    | Scoliosis | 70.5 (70.0, 71.0) |
    """
    writers = {
        "markdown": _markdown,
        "text": lambda texts: texts.rename_axis(index=None, columns="Experiment").to_string(),
        "latex": _latex,
        "html": _html,
        "frame": lambda texts: texts,
    }
    if to not in writers:
        raise ValueError(f"to must be one of {list(writers)}, got {to!r}.")
    columns = {}
    for name in METRICS:
        ends = [pair for pair in _BOUNDS if {name + pair[0], name + pair[1]} <= {*table.columns}]
        if name in table.columns and ends:
            title = auc_title(table) if name == "auc" else f"{name.capitalize()} (%)"
            numbers = table[[name, name + ends[0][0], name + ends[0][1]]]
            columns[title] = [_cell(*row, name) for row in numbers.itertuples(index=False)]
    if not columns:
        raise ValueError(
            "the table has no metric with its bounds, such as auc, auc_low, auc_high: its "
            f"columns are {list(table.columns)}."
        )
    texts = pd.DataFrame(columns, index=pd.Index(table.index.astype(str), name="Experiment"))
    return writers[to](texts)


def auc_title(table):
    """Return the name of the AUC in a table: mean of folds or pooled, if all rows agree."""
    kinds = set(table["aggregation"]) if "aggregation" in table else set()
    return f"AUC, {kinds.pop()}" if len(kinds) == 1 else "AUC"


def _one_row_each(tables, suffixes):
    rows = {
        experiment: {
            metric + suffix: table.loc[metric, column]
            for metric in METRICS
            for column, suffix in suffixes.items()
        }
        for experiment, table in tables.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return table.rename_axis("experiment")


def _cell(estimate, low, high, metric):
    def number(value):
        if pd.isna(value):
            return "NA"
        return f"{value:.2f}" if metric == "auc" else f"{100 * value:.1f}"

    return f"{number(estimate)} ({number(low)}, {number(high)})"


def _lines(texts):
    """Return the head and the rows of a table, each as a list of cells."""
    return [["Experiment", *texts.columns], *([name, *row] for name, *row in texts.itertuples())]


def _markdown(texts):
    cells = [[cell.replace("|", "\\|") for cell in line] for line in _lines(texts)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _latex(texts):
    head, *rows = (
        " & ".join(cell.translate(_LATEX_ESCAPES) for cell in line) + r" \\"
        for line in _lines(texts)
    )
    begin = r"\begin{tabular}{l" + "r" * texts.shape[1] + "}"
    lines = [begin, r"\hline", head, r"\hline", *rows, r"\hline", r"\end{tabular}"]
    return "\n".join(lines)


def _html(texts):
    # By default pandas cuts a cell after 50 characters.
    with pd.option_context("display.max_colwidth", None):
        return texts.reset_index().to_html(index=False, border=0, justify="left")
