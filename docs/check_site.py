"""Check the built documentation: links and anchors, then every page in a browser, offline.

`python docs/check_site.py [FOLDER]` prints each fault and fails if there is one. FOLDER is that of
the built pages, `docs/_build/html` by default. Without Chromium, only links are checked.
"""

import sys
import tempfile
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from browser import CHROMIUM, Browser

PHONE, DESKTOP = 400, 1400
# Attributes by which a page names another file.
REFERENCES = {"a": "href", "img": "src", "link": "href", "script": "src", "source": "src"}
# What is at fault in the page that is shown, beyond what the browser itself reports. Pictures are
# asked for here even where a page would load them later, as one scrolls.
LOOK = """(async () => {
  const broken = await Promise.all([...document.images].map(async one => {
    one.loading = "eager";
    await one.decode().catch(() => {});
    return one.complete && one.naturalWidth > 0 ? "" : one.getAttribute("src");
  }));
  const links = [...document.querySelectorAll(".bd-header .navbar-nav > li > *")].filter(
    one => one.offsetParent !== null);
  const middles = links.map(one => one.getBoundingClientRect()).map(
    box => (box.top + box.bottom) / 2);
  const lines = one => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return new Set([...range.getClientRects()].map(box => Math.round(box.bottom / 8))).size;
  };
  return {
    broken: broken.filter(Boolean),
    overflow: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)
      - innerWidth,
    links: links.length,
    lined: links.length > 0 && Math.max(...middles) - Math.min(...middles) < 4
      && links.every(one => one.tagName !== "A" || lines(one) === 1),
  };
})()"""
# How many pages a search finds, which takes a moment.
FOUND = """new Promise(done => {
  const began = Date.now();
  const look = () => {
    const number = document.querySelectorAll("#search-results li a").length;
    if (number || Date.now() - began > 10000) done(number); else setTimeout(look, 50);
  };
  look();
})"""


def pages_of(folder):
    """Return the pages of the site; the theme's static files hold templates that are none."""
    return [page for page in sorted(folder.rglob("*.html")) if "_static" not in page.parts]


class References(HTMLParser):
    """The anchors of a page, and the files and anchors that it refers to."""

    def __init__(self, page):
        super().__init__()
        self.anchors, self.addresses = set(), []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Note what a tag is called and what it refers to."""
        found = dict(attributes)
        self.anchors.update(found[key] for key in ("id", "name") if found.get(key))
        address = found.get(REFERENCES.get(tag))
        if address:
            self.addresses.append((tag, address))


def broken_links(folder):
    """Return the faults in links: no such file, no such anchor, or a file of another site.

    Parameters
    ----------
    folder : Path
        Of the built pages.

    Returns
    -------
    list of str
    """
    pages = {page.resolve(): References(page) for page in pages_of(folder)}
    faults = []
    for page, references in pages.items():
        for tag, address in references.addresses:
            name = f"{page.relative_to(folder.resolve())}: {address}"
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if tag != "a" and parts.scheme != "data":
                    faults.append(f"{name} is not a file of this site.")
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if target.is_dir():
                target /= "index.html"
            anchor = unquote(parts.fragment)
            if not target.is_file():
                faults.append(f"{name}: there is no such file.")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                faults.append(f"{name}: there is no such anchor.")
    return faults


def faults_in_browser(folder, profile):
    """Return what is wrong with the pages as a browser shows them.

    Parameters
    ----------
    folder : Path
        Of the built pages.
    profile : Path
        Empty folder for the browser.

    Returns
    -------
    list of str
    """
    folder = folder.resolve()
    browser = Browser(profile)
    try:
        faults = [
            f"{page.relative_to(folder)}: {fault}"
            for page in pages_of(folder)
            for fault in faults_of_page(browser, page, folder)
        ]
        search = folder / "search.html"
        if search.exists():
            browser.show(search, width=DESKTOP, query="?q=spine")
            if not browser.run(FOUND):
                faults.append("search.html: a search for 'spine' finds nothing.")
            faults += [f"search.html: {fault}" for fault in reported(browser, folder)]
    finally:
        browser.close()
    return faults


def reported(browser, folder):
    """Return the requests that leave the site, and the errors of scripts."""
    inside = (folder.as_uri() + "/", "data:", "blob:", "about:")
    requests = [f"asks for {one}." for one in browser.requests if not one.startswith(inside)]
    return requests + [f"console: {one}" for one in browser.errors]


def faults_of_page(browser, page, folder):
    """Return the faults of a page, in a wide window and in a narrow one."""
    browser.show(page, width=DESKTOP)
    wide = browser.run(LOOK)
    browser.resize(PHONE)
    narrow = browser.run(LOOK)
    faults = reported(browser, folder)
    faults += [f"the image {name} does not show." for name in wide["broken"]]
    if wide["links"] and not wide["lined"]:
        faults.append(f"the navigation takes more than one line of {DESKTOP} pixels.")
    if narrow["overflow"] > 0:
        faults.append(f"the page is {narrow['overflow']} pixels wider than {PHONE}.")
    return faults


def main(folder):
    """Print the faults, and return the number of them."""
    began = time.monotonic()
    if not (folder / "index.html").is_file():
        raise SystemExit(f"{folder} has no index.html: build the documentation first.")
    faults = broken_links(folder)
    if CHROMIUM is None:
        print("Chromium is not installed: links are checked, but no page is opened.")
    else:
        # The browser may still write to its profile as it ends.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            faults += faults_in_browser(folder, Path(profile))
    print(*faults, sep="\n", end="\n" if faults else "")
    n_pages = len(pages_of(folder))
    print(f"{n_pages} pages in {time.monotonic() - began:.0f} s; faults: {len(faults)}.")
    return len(faults)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "_build" / "html") > 0)
