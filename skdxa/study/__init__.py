"""A whole study, declared once and run once: protocol, run, report."""

from skdxa.study._protocol import Protocol
from skdxa.study._run import run_study

__all__ = ["Protocol", "run_study"]
