"""The check of the documentation's site finds each fault that it looks for."""

import importlib.util
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "check_site.py"
if not SCRIPT.is_file():
    pytest.skip(f"no documentation beside the tests: {SCRIPT}", allow_module_level=True)

SPECIFICATION = importlib.util.spec_from_file_location("check_site", SCRIPT)
check_site = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(check_site)

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="data:,"></head><body><header class="bd-header"><ul class="navbar-nav"
style="display: flex; flex-wrap: wrap; gap: 9px; margin: 0; padding: 0; list-style: none">
<li><a href="index.html">Start</a></li><li><a href="#end">End</a></li>{links}</ul></header>
{body}<p id="end">The end.</p></body></html>"""


@pytest.fixture
def site(tmp_path):
    """Return a function that writes a page to a site and returns the site's folder."""
    folder = tmp_path / "site"
    folder.mkdir()

    def write(body="", links="", name="index.html"):
        (folder / name).write_text(PAGE.format(body=body, links=links), encoding="utf-8")
        return folder

    return write


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="none.html">a</a>', "none.html: there is no such file."),
        ('<a href="#none">a</a>', "#none: there is no such anchor."),
        ('<a href="index.html#none">a</a>', "index.html#none: there is no such anchor."),
        ('<img src="none.png">', "none.png: there is no such file."),
        (
            '<script src="https://a.example/b.js"></script>',
            "https://a.example/b.js is not a file of this site.",
        ),
        ('<a href="https://a.example/">a</a><a href="#end">a</a>', None),
        ('<a href="./index.html?a=b#end">a</a>', None),
    ],
)
def test_links(site, body, fault):
    prefix = "index.html: "
    assert check_site.broken_links(site(body)) == ([prefix + fault] if fault else [])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Start a browser."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.mark.parametrize(
    ("body", "links", "faults"),
    [
        ("", "", []),
        ('<div style="width: 450px">wide</div>', "", ["the page is "]),
        ('<img src="none.png">', "", ["console: ", "the image none.png does not show."]),
        ("<script>console.error('lost')</script>", "", ["console: lost"]),
        ("<script>undefined.lost</script>", "", ["console: TypeError"]),
        ('<img src="https://a.example/b.png">', "", ["asks for https://a.example/b.png."]),
        ("", 90 * "<li><a href='#end'>link</a></li>", ["the navigation takes more than one"]),
        ("", "<li><a href='#end'>two<br>lines</a></li>", ["the navigation takes more than one"]),
    ],
)
def test_pages_in_a_browser(site, browser, body, links, faults):
    folder = site(body, links)
    found = check_site.faults_of_page(browser, folder / "index.html", folder)
    assert bool(found) == bool(faults)
    for fault in faults:
        assert any(one.startswith(fault) for one in found), found


def test_a_site_without_a_first_page(tmp_path):
    with pytest.raises(SystemExit, match="build the documentation first"):
        check_site.main(tmp_path)


def test_all_faults_are_printed(site, capsys):
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    site()
    folder = site('<a href="none.html">a</a>', name="second.html")
    assert check_site.main(folder) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first == "second.html: none.html: there is no such file."
    assert last.startswith("2 pages in ")
    assert last.endswith("; faults: 1.")
