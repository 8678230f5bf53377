"""Links of a release, which work on a package index too.

The addresses of the repository and of the documentation's site are given when a release is
built, in the environment: ``SKDXA_REPOSITORY``, whose files have addresses as on GitHub, and
``SKDXA_SITE``. Without the first, the links of the README stay relative.
"""

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE_LINK = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")


class ReleaseLinks(MetadataHookInterface):
    """Set the fields that `pyproject.toml` calls dynamic: the README and the addresses."""

    PLUGIN_NAME = "custom"

    def update(self, metadata):
        """Add the fields to the metadata, which hold the version already."""
        repository, site = (
            os.environ.get(name, "").rstrip("/") for name in ("SKDXA_REPOSITORY", "SKDXA_SITE")
        )
        tag = f"v{metadata['version']}"
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        urls = {"Paper": "https://doi.org/10.1016/j.bonr.2021.101070"}
        if site:
            urls["Documentation"] = site
            urls["Gallery"] = f"{site}/auto_examples/index.html"
        if repository:
            readme = RELATIVE_LINK.sub(
                lambda link: f"]({address_of(link[1], repository, site, tag)})", readme
            )
            urls["Source"] = repository
            urls["Issues"] = f"{repository}/issues"
            urls["Release notes"] = f"{repository}/blob/{tag}/CHANGELOG.md"
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
        metadata["urls"] = urls


def address_of(path, repository, site, tag):
    """Return the address of a file of a release: its page on the site, if there is one."""
    if path.endswith(".png"):
        return f"{repository}/raw/{tag}/{path}"
    if site and path == "examples":
        return f"{site}/auto_examples/index.html"
    if site and path.endswith(".rst"):
        return f"{site}/{path.removeprefix('docs/').removesuffix('.rst')}.html"
    return f"{repository}/blob/{tag}/{path}"
