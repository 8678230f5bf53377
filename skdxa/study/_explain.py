"""Pictures of what a model looks at on single scans."""

from pathlib import Path
from textwrap import wrap

import numpy as np

from skdxa.inspection import grad_cam
from skdxa.study._output import file_names, naming
from skdxa.study._predict import ModelParts, predict_scans, spacings_of

# Characters of the title that fit on a line.
_LETTERS = 58


def explain_scans(
    model,
    scans,
    *,
    out,
    data=None,
    positive="positive",
    spacing_mm=None,
    scan_spacings_mm=None,
):
    """Draw for each scan the network's input and where it supports the positive class.

    The heat map is Grad-CAM; of a model of several networks it is the mean of their maps.

    Parameters
    ----------
    model : classifier
        As in `predict_scans`.
    scans : list
        Paths, `Scan` objects or arrays, one per scan.
    out : str or path-like
        Folder for the pictures, one PNG per scan, named after it.
    data : dict of str to ndarray or None, default=None
        As in `predict_scans`.
    positive : str, default="positive"
        What the positive class is, for the title.
    spacing_mm, scan_spacings_mm : default=None
        As in `predict_scans`.

    Returns
    -------
    predictions : DataFrame
        As `predict_scans` returns it, with the `picture` of each scan; missing where the scan
        cannot be used.

    Examples
    --------
    >>> from skdxa.study import explain_scans
    >>> explain_scans(model, ["a.dcm"], out="pictures")  # doctest: +SKIP
    """
    from skdxa.displays import ExplanationDisplay, paper_figure

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    spacings = spacings_of(scans, scan_spacings_mm)
    table = predict_scans(
        model, scans, data=data, spacing_mm=spacing_mm, scan_spacings_mm=spacings
    )
    parts = ModelParts(model)
    stems = [Path(name).stem for name in table["scan"]]
    # Two folders may hold scans of one name.
    files = file_names(
        [f"{stem}-{n}" if stems.count(stem) > 1 else stem for n, stem in enumerate(stems)]
    )
    pictures = []
    for (_, row), file, scan, own_spacing in zip(
        table.iterrows(), files.values(), scans, spacings, strict=True
    ):
        if isinstance(row["error"], str):
            pictures.append(None)
            continue
        figure = paper_figure(width=3.6, height=3.6)
        call = f"; {row['call']}" if isinstance(row["call"], str) else ""
        title = (
            f"{Path(row['scan']).name}: probability of {positive} {row['probability']:.2f}, "
            f"threshold {row['threshold']:.2f}{call}"
        )
        lines = [*wrap(title, _LETTERS), *wrap(row["remarks"], _LETTERS)]
        images = parts.prepare(parts.read(scan, spacing_mm, own_spacing))
        maps = [grad_cam(cnn, images) for cnn in parts.networks]
        # First, since the pictures use the remaining space.
        figure.suptitle("\n".join(lines), fontsize="small")
        ExplanationDisplay(
            images,
            grad_cam=np.mean(maps, axis=0),
            # The scan is named above.
            titles=[""],
            spacing_mm=parts.reader.spacing_mm,
        ).plot(figure)
        path = out / f"{file}.png"
        with naming(path):
            figure.savefig(path, dpi=200)
        pictures.append(str(path))
    return table.assign(picture=pictures)
