"""The command `skdxa`, run in this process."""

from typer.testing import CliRunner

from skdxa.cli import app


def run_command(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(app, [*map(str, arguments)])
