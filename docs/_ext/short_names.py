"""Names in single backticks and types in docstrings become links, also under their short names.

`Pipeline` is `sklearn.pipeline.Pipeline`, and `ndarray` is `numpy.ndarray`. What has a short name
is every class of skdxa, and every class in the inventories of other packages.
"""

import importlib

from sphinx.ext.autosummary import AutoLink

import skdxa


def classes_of_skdxa():
    """Return the full name of each public class of skdxa by its short name."""
    names = {}
    for package in map("skdxa.{}".format, skdxa._SUBPACKAGES):
        module = importlib.import_module(package)
        names |= {
            name: f"{package}.{name}"
            for name in module.__all__
            if isinstance(getattr(module, name), type)
        }
    return names


def classes_in(inventories):
    """Return the full name of each class in the inventories of a folder by its short name."""
    names = {}
    for path in sorted(inventories.glob("*.inv")):
        for line in path.read_text().splitlines()[3:]:
            name, kind, _ = line.split()
            if kind == "class":
                names[name.rpartition(".")[2]] = name
    return names


class ShortName(AutoLink):
    """The role of single backticks: a link where the name is known, else emphasis."""

    def run(self):
        known = self.config.numpydoc_xref_aliases.get(self.text)
        if known is None or known == self.text:
            return super().run()
        role = self.env.domains.python_domain.role("obj")
        title = f"{self.text} <{known}>"
        return role("obj", self.rawtext, title, self.lineno, self.inliner, {}, [])


def setup(app):
    """Register the role, which `default_role` selects."""
    app.add_role("short_name", ShortName())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
