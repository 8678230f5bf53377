"""How objects of one class, and their parameters, are kept in a model file."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from skdxa.persistence._standins import set_attributes


@dataclass(frozen=True)
class Parameter:
    """How one parameter is kept.

    Attributes
    ----------
    check : callable
        What can be stored; see `_checks`.
    needed : bool
        Whether a prediction depends on the parameter. One that is not needed and cannot be
        stored is left out; a needed one makes the model impossible to save.
    remedy : str
        What to do then.
    """

    check: Callable
    needed: bool = True
    remedy: str = ""


def for_fit(check):
    """Return a parameter that concerns the fit alone."""
    return Parameter(check, needed=False)


@dataclass(frozen=True)
class Kind:
    """How objects of one class are kept.

    Attributes
    ----------
    cls : type
        The class; not its subclasses.
    params : dict of str to Parameter
        Parameters that are stored.
    required, optional : dict of str to callable
        Checks of the fitted attributes; an object with none of the required ones is not fitted.
    machine : tuple of str
        Parameters that are never stored.
    consistent : callable
        Called with parameters and fitted attributes; raises `Unfit` if they contradict each
        other.
    read : callable or None
        Returns the fitted attributes of an object that do not have their own names.
    rebuild : callable or None
        Makes a fitted object of parameters and attributes.
    has_output : bool
        Whether `set_output` chooses the container of its results.
    """

    cls: type
    params: dict
    required: dict = field(default_factory=dict)
    optional: dict = field(default_factory=dict)
    machine: tuple = ()
    consistent: Callable = lambda params, fitted: None
    read: Callable | None = None
    rebuild: Callable | None = None
    has_output: bool = False

    def build(self, params, fitted):
        """Return an object with parameters and, unless they are None, fitted attributes."""
        if fitted is not None:
            self.consistent(params, fitted)
            if self.rebuild is not None:
                return self.rebuild(params, fitted)
        built = self.cls(**self._known(params))
        set_attributes(built, fitted or {})
        return built

    def _known(self, params):
        """Drop parameters that the installed version of the class no longer has."""
        known = inspect.signature(self.cls).parameters
        return {name: value for name, value in params.items() if name in known}
