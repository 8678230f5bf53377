"""The command `skdxa predict`."""

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


def predict(
    model: ModelArgument,
    files: NewScansArgument,
    out: Annotated[Path, typer.Option(help="Table to write: one row per scan (CSV).")],
    scans: FolderOption = None,
    scan_column: ScanColumnOption = "scan",
    spacing: SpacingOption = None,
    error_rate: Annotated[
        float, typer.Option(help="Error rate at which a scan is called positive or negative.")
    ] = 0.1,
    overwrite: OverwriteOption = False,
):
    """Predict on new scans; the exit status is 0 if all, and 3 if some could not be used."""
    check_new(out, overwrite)
    from skdxa.persistence import load_model
    from skdxa.study import predict_scans, write_csv

    loaded, data = load_model(model, return_data=True)
    paths, spacings = find_new_scans(files, scan_column, scans)
    table = predict_scans(
        loaded,
        paths,
        data=data or None,
        spacing_mm=spacing,
        scan_spacings_mm=spacings,
        error_rate=error_rate,
    )
    write_csv(table, out, index=False)
    print_predictions(table, out)
