"""The command `skdxa`: its subcommands, errors, warnings and signals."""

import signal
import sys
import warnings
from typing import Annotated

import typer

from skdxa import __version__
from skdxa.cli._check import check
from skdxa.cli._columns import columns
from skdxa.cli._exit import FAILED
from skdxa.cli._explain import explain
from skdxa.cli._fit import fit
from skdxa.cli._groups import expand_groups
from skdxa.cli._options import as_options
from skdxa.cli._predict import predict
from skdxa.cli._study import study

app = typer.Typer(
    name="skdxa",
    help="Deep learning on DXA scans of the lumbar spine. "
    "Research software, not a medical device.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# Each command has an example, which --help and the documentation show.
EXAMPLES = {
    check: "skdxa check table.csv --scans scans --target scoliosis --group-column patient "
    "--out review",
    study: "skdxa study table.csv --scans scans --group-column patient --out report",
    fit: "skdxa fit table.csv --scans scans --target scoliosis --group-column patient "
    "--rule sensitivity --out scoliosis.skdxa",
    predict: "skdxa predict scoliosis.skdxa next_week --out predictions.csv",
    explain: "skdxa explain scoliosis.skdxa next_week/0007.dcm --positive scoliosis "
    "--out pictures",
    columns: "skdxa columns",
}
for command, example in EXAMPLES.items():
    app.command(epilog=f"Example: {example}")(expand_groups(command))


def _print_version(wanted: bool):
    if wanted:
        typer.echo(f"skdxa {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
    ] = False,
):
    """Deep learning on DXA scans of the lumbar spine. Research software, not a medical device."""


def _once():
    """Return a function that prints each warning the first time that it is given.

    A table is read once for its columns and once for its scans, and would be warned of twice.
    """
    shown = set()

    def show(message, category, filename, lineno, file=None, line=None):
        if str(message) not in shown:
            shown.add(str(message))
            typer.echo(f"Warning: {message}", err=True)

    return show


def _end(number, frame):
    """Stop as on Ctrl-C, so that unfinished files are removed when a scheduler ends the job."""
    # A second signal must not interrupt the removal.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    """Run the command; print an error of the user's or a warning as one line."""
    warnings.showwarning = _once()
    signal.signal(signal.SIGTERM, _end)
    try:
        app()
    except (ValueError, OSError) as error:
        message = " ".join([str(error), *getattr(error, "__notes__", ())])
        typer.echo(f"Error: {as_options(message)}", err=True)
        raise SystemExit(FAILED) from None
