"""Texts that say what functions, classes and other values are, the same in every process.

A run that resumes must know whether its functions are still the same. Neither their place in
memory nor their lines in a file nor the order of a set may matter, but pickled functions depend
on all of these.
"""

from skdxa._description._digest import NotDescribable, digest, digests_of_function

__all__ = ["NotDescribable", "digest", "digests_of_function"]
