"""One page that holds a whole study: a self-contained HTML file."""

import base64
import re
import struct

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from skdxa.study._audit import FAULT, FINE, LOOK, OPEN
from skdxa.study._output import naming
from skdxa.study._protocol import PAPER_EPOCHS

_MAIN = ("table1", "table2", "patients", "raters", "thresholds", "calibration", "subgroups")
_KINDS = {FINE: "fine", LOOK: "look", FAULT: "fault", OPEN: "open"}
_CONTENTS = (
    ("found", "Results in words"),
    ("tables", "Tables"),
    ("figures", "Figures"),
    ("audit", "Audit"),
    ("left", "Left out"),
    ("checklists", "Checklists"),
    ("run", "How it was run"),
)
_HEADINGS = {
    "sd": "SD",
    "mean_or_share": "Mean or share",
    "std_err": "Standard error",
    "pvalue": "p",
    "pvalue_holm": "p (Holm)",
    "z": "z",
    "coef": "Coefficient",
}
_FIGURE_WIDTH = 960
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( ?\(.*\))?|NA|")


def write_report(path, state, manifest, checklists):
    """Write the report of a study.

    Parameters
    ----------
    path : Path
        The HTML file; figures are read from the folder ``figures`` next to it.
    state : StudyState
        After all steps.
    manifest : dict
    checklists : dict of str to DataFrame
    """
    environment = Environment(
        loader=PackageLoader("skdxa.study"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    protocol = state.protocol
    figures = [_figure(path.parent / "figures", picture) for picture in state.figures.values()]
    tables = sorted(
        (_table(table) for table in state.tables.values()),
        key=lambda table: _MAIN.index(table["name"]) if table["main"] else len(_MAIN),
    )
    page = environment.get_template("report.html").render(
        title="Study of lumbar spine DXA scans: "
        + ", ".join(task.in_text for task in state.tasks),
        versions=manifest["versions"],
        finished=manifest["finished"].replace("T", " ").removesuffix("+00:00") + " UTC",
        simulated=state.simulated,
        shuffled=protocol.shuffle_labels,
        small=_small(protocol),
        faults=[item.name for item in state.audit if item.verdict == FAULT],
        contents=_CONTENTS,
        found=state.sentences,
        primary=state.primary,
        tables=tables,
        figures=figures,
        figure_width=_FIGURE_WIDTH,
        audit=[
            {
                "name": item.name,
                "question": item.question,
                "verdict": item.verdict,
                "finding": item.finding,
                "kind": _KINDS[item.verdict],
            }
            for item in state.audit
        ],
        left_out=state.left_out,
        notes=state.notes,
        checklists={
            name: {
                "rows": table.to_dict("records"),
                "reported": int((table["status"] == "reported").sum()),
                "open": int((table["status"] == "open").sum()),
            }
            for name, table in checklists.items()
        },
        choices={name: _choice(value) for name, value in protocol.as_dict().items()},
        seconds=manifest["seconds"],
    )
    with naming(path):
        path.write_text(page, encoding="utf-8")


def _small(protocol):
    """Return in what a protocol falls short of the paper's, or None."""
    short = []
    if protocol.epochs < PAPER_EPOCHS:
        plural = "s" * (protocol.epochs > 1)
        short.append(f"{protocol.epochs} epoch{plural} instead of {PAPER_EPOCHS}")
    if protocol.n_splits < 10:
        short.append(f"{protocol.n_splits} folds instead of 10")
    if protocol.n_repeats < 100:
        short.append(f"{protocol.n_repeats} repeat{'s' * (protocol.n_repeats > 1)} instead of 100")
    return f"Compared with the paper: {', '.join(short)}." if short else None


def _choice(value):
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_choice(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _table(table):
    shown = table.shown.astype(str)
    numeric = [bool(np.all([_NUMBER.fullmatch(text) for text in shown[name]])) for name in shown]
    return {
        "name": table.name,
        "title": table.title,
        "caption": table.caption,
        "main": table.name in _MAIN,
        "heads": [
            # The first column has the headings of the rows.
            {"text": _heading(name), "number": is_number and place > 0}
            for place, (name, is_number) in enumerate(zip(shown, numeric, strict=True))
        ],
        "rows": [
            [
                {"text": text, "number": is_number}
                for text, is_number in zip(row, numeric, strict=True)
            ]
            for row in shown.itertuples(index=False)
        ],
    }


def _heading(name):
    name = str(name)
    if name in _HEADINGS:
        return _HEADINGS[name]
    if name[:1].isupper():
        return name
    return re.sub(r"\bauc\b", "AUC", name.replace("_", " ").capitalize(), flags=re.IGNORECASE)


def _figure(folder, picture):
    content = (folder / f"{picture.stem}.png").read_bytes()
    # The size of a PNG is stored in its header.
    width, height = struct.unpack(">II", content[16:24])
    return {
        "stem": picture.stem,
        "title": picture.title,
        "caption": picture.caption,
        "alternative": picture.alternative,
        "data": base64.b64encode(content).decode(),
        "width": width,
        "height": height,
    }
