"""The command `skdxa explain`."""

from pathlib import Path
from typing import Annotated

import typer

from skdxa.cli._new_scans import find_new_scans, print_predictions
from skdxa.cli._options import (
    FolderOption,
    ModelArgument,
    NewScansArgument,
    OverwriteOption,
    ScanColumnOption,
    SpacingOption,
    check_new,
)


def explain(
    model: ModelArgument,
    files: NewScansArgument,
    out: Annotated[Path, typer.Option(help="Folder for one picture per scan.")],
    scans: FolderOption = None,
    scan_column: ScanColumnOption = "scan",
    spacing: SpacingOption = None,
    positive: Annotated[
        str, typer.Option(help="What the positive class is, for the titles.")
    ] = "positive",
    overwrite: OverwriteOption = False,
):
    """Draw what the network looks at on each scan, with the probability."""
    check_new(out, overwrite)
    from skdxa.persistence import load_model
    from skdxa.study import explain_scans

    loaded, data = load_model(model, return_data=True)
    paths, spacings = find_new_scans(files, scan_column, scans)
    table = explain_scans(
        loaded,
        paths,
        out=out,
        data=data or None,
        positive=positive,
        spacing_mm=spacing,
        scan_spacings_mm=spacings,
    )
    print_predictions(table, out)
