"""A whole study, declared once and run once: protocol, run, report."""

from skdxa.study._protocol import PAPER_EPOCHS, Protocol
from skdxa.study._run import run_study

__all__ = ["PAPER_EPOCHS", "Protocol", "run_study"]
