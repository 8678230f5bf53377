"""The command `skdxa`, one module per subcommand."""

from skdxa.cli._main import app, main

__all__ = ["app", "main"]
