"""Tables as they are printed: a row an experiment."""

import html

import pandas as pd

from skdxa.evaluation._metrics import METRICS

_BOUNDS = (("_low", "_high"), ("_minimum", "_maximum"))
_LATEX_ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def performance_table(
    results, *, y=None, threshold=None, interval="corrected", level=0.95, random_state=None
):
    """Tabulate cross-validated performance, an experiment a row.

    Parameters
    ----------
    results : dict of str to CrossValidationResult
        Results by the name of the experiment.
    y : array-like of shape (n_scans,) or dict, optional
        Other labels to score against; a dict gives them by experiment, and those that it
        lacks are scored by the labels trained on.
    threshold : float or dict, optional
        Positive is ``score >= threshold``; a dict gives it by experiment.
    interval, level : as in `CrossValidationResult.summary`
        Kind and confidence level of the intervals.
    random_state : int, RandomState instance or None, default=None
        Seeds the bootstrap.

    Returns
    -------
    pandas.DataFrame of shape (n_experiments, 12)
        Index `experiment`; columns `sensitivity`, `sensitivity_low`,
        `sensitivity_high`, and so on for `specificity`, `accuracy` and `auc`: plain
        numbers from 0 to 1.

    Raises
    ------
    ValueError
        If `y` or `threshold` names an experiment that isn't there.

    See Also
    --------
    format_table : Prints it.

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
                f"{name} names experiments that aren't among the results: {sorted(unknown)}"
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
    return _one_row_each(summaries, {"estimate": "", "low": "_low", "high": "_high"})


def external_table(tests):
    """Tabulate external tests, an experiment a row.

    Parameters
    ----------
    tests : dict of str to DataFrame
        What `external_test` gave, by the name of the experiment.

    Returns
    -------
    pandas.DataFrame of shape (n_experiments, 12)
        Index `experiment`; columns `sensitivity` (the mean over the models),
        `sensitivity_minimum`, `sensitivity_maximum`, and so on for `specificity`,
        `accuracy` and `auc`.

    See Also
    --------
    format_table : Prints it.

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
    """Print a table of performance: per cent with one decimal, AUC with two.

    Parameters
    ----------
    table : pandas.DataFrame
        From `performance_table` or `external_table`.
    to : {"markdown", "latex", "html", "frame"}, default="markdown"
        Kind of text, or "frame" for a DataFrame of texts. The LaTeX is a ``tabular``
        environment that needs no package.

    Returns
    -------
    str or pandas.DataFrame
        Each cell as in ``70.5 (70.0, 71.0)``: the estimate, and its interval or, of an
        external test, minimum and maximum. What is undefined is printed as ``NA``.

    Raises
    ------
    ValueError
        If the table or `to` is of another kind.

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
    writers = {"markdown": _markdown, "latex": _latex, "html": _html, "frame": None}
    if to not in writers:
        raise ValueError(f"to must be one of {list(writers)}, got {to!r}")
    columns = {}
    for name in METRICS:
        ends = [pair for pair in _BOUNDS if {name + pair[0], name + pair[1]} <= {*table.columns}]
        if name in table.columns and ends:
            title = "AUC" if name == "auc" else f"{name.capitalize()} (%)"
            numbers = table[[name, name + ends[0][0], name + ends[0][1]]]
            columns[title] = [_cell(*row, name) for row in numbers.itertuples(index=False)]
    if not columns:
        raise ValueError(
            "the table has no metric with its bounds, such as auc, auc_low, auc_high: its "
            f"columns are {list(table.columns)}"
        )
    texts = pd.DataFrame(columns, index=pd.Index(table.index.astype(str), name="Experiment"))
    if to == "frame":
        return texts
    lines = [["Experiment", *texts.columns]]
    lines += [[str(experiment), *cells] for experiment, *cells in texts.itertuples()]
    return writers[to](lines)


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


def _markdown(lines):
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    cells.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _latex(lines):
    head, *rows = (
        " & ".join(cell.translate(_LATEX_ESCAPES) for cell in line) + r" \\" for line in lines
    )
    begin = r"\begin{tabular}{l" + "r" * (len(lines[0]) - 1) + "}"
    lines = [begin, r"\hline", head, r"\hline", *rows, r"\hline", r"\end{tabular}"]
    return "\n".join(lines)


def _html(lines):
    def line(cells, tag):
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

    head, *rows = lines
    body = "\n".join(line(row, "td") for row in rows)
    return f"<table>\n<thead>\n{line(head, 'th')}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>"
