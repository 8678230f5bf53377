"""The command `skdxa`, one module per subcommand."""

from skdxa.cli._exit import STATUSES
from skdxa.cli._main import app, main
from skdxa.cli._options import ENVIRONMENT, IN_PROTOCOL

__all__ = ["ENVIRONMENT", "IN_PROTOCOL", "STATUSES", "app", "main"]
