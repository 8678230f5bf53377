"""A list that a model fills while it is fitted."""


class Tally(list):
    """Notes of what happened, which are no part of what a model is.

    A checkpoint describes all that a class or function refers to, and would see a change in an
    ordinary list.
    """

    def __reduce__(self):
        return Tally, ()
