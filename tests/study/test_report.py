"""The report in a browser, by keyboard and in print: complete, self-contained, legible."""

import re

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, Browser
from sklearn.utils import Bunch
from study_cohorts import small_cohort

from skdxa.study import Protocol
from skdxa.study._audit import AuditItem
from skdxa.study._figures import flow
from skdxa.study._report import write_report
from skdxa.study._steps import StudyState
from skdxa.study._tasks import Task

MANIFEST = {
    "versions": {"skdxa": "1.2.3", "python": "3.12"},
    "finished": "2030-01-02T03:04:05+00:00",
    "seconds": {"all": 3.0},
}
# Runs before all other scripts: what goes wrong while the page is shown.
_WATCH = """
window.found = { errors: [] };
addEventListener("error", event => found.errors.push(String(event.message || event.target)), true);
addEventListener("securitypolicyviolation", event => found.errors.push(event.blockedURI));
console.error = console.warn = (...words) => found.errors.push(words.join(" "));
"""
# Contrasts as WCAG defines them, of texts to what is behind them.
_COLOURS = """
const rgba = text => text.match(/[\\d.]+/g).map(Number);
const light = ([...parts]) => parts.slice(0, 3).map(one => {
  one /= 255; return one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
}).reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
const behind = one => {
  for (; one; one = one.parentElement) {
    const colour = rgba(getComputedStyle(one).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const contrast = (one, other) => {
  const [first, second] = [light(one), light(other)];
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
};
const lowest = () => {
  const texts = "h1, h2, h3, p, li, td, th, th button, a, caption, figcaption, summary, strong";
  return Math.min(...[...document.querySelectorAll(texts + ", code")].map(
    one => contrast(rgba(getComputedStyle(one).color), behind(one))));
};
"""
_LOOK = (
    """(() => {"""
    + _COLOURS
    + """
  found.images = [...document.images].map(one => [one.complete, one.naturalWidth, one.alt]);
  found.requests = performance.getEntriesByType("resource").map(one => one.name);
  found.wide = document.documentElement.scrollWidth > innerWidth;
  found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  found.contrast = lowest();
  return found;
})()"""
)
_FOCUSED = (
    """(() => {"""
    + _COLOURS
    + """
  const one = document.activeElement;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const all = [...document.querySelectorAll("a, button, summary, .scroll")];
  return {
    place: all.indexOf(one), number: all.length, name: one.tagName,
    outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    contrast: contrast(rgba(style.outlineColor), behind(one.parentElement)),
    visible: box.width > 0 && box.left >= 0 && box.top < innerHeight && box.bottom > 0,
  };
})()"""
)
_COLUMN = """[...document.querySelector("#tables table").tBodies[0].rows].map(
  row => row.cells[1].textContent)"""
# Of an A4 page on its side, without the margins.
_PRINTED_WIDTH = 1031


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Start a browser."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


_WIDE = ("auc", "o_e", "slope", "sensitivity", "specificity", "interaction_p", "patients", "note")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Write a report of a table, a figure, sentences with odd characters and every verdict."""
    folder = tmp_path_factory.mktemp("report")
    cohort = small_cohort(30)
    state = StudyState(
        protocol=Protocol(targets=("scoliosis",)),
        cohort=Bunch(**cohort),
        external=None,
        tasks=[Task("scoliosis", "scoliosis")],
        models={},
        work=folder,
        folder=folder,
        n_jobs=None,
        progress=False,
        say=print,
        left_out={"Figure <6>": "no network & no layers"},
        notes=["a warning"],
    )
    flow(state)
    state.add_table(
        "table1",
        "Table 1. <Performance>",
        pd.DataFrame(
            {"experiment": ["a", "b", "c"], "auc": [0.9, 0.05, np.nan], "sd": [10.0, 2, 3]}
        ),
        caption="Means & intervals.",
    )
    state.add_table(
        "added_scoliosis", "Added", pd.DataFrame({"p": [0.01, 0.2], "flag": [True, False]})
    )
    # As wide as the table of subgroups.
    state.add_table(
        "subgroups",
        "Subgroups",
        pd.DataFrame(
            {f"{what}{end}": [0.1234] for what in _WIDE for end in ("", "_low", "_high")}
        ),
    )
    state.say_of("Scoliosis", "Found <b>it</b> & was sure.")
    state.audit = [
        AuditItem(verdict, "A question?", verdict, "A finding.")
        for verdict in ("nothing found", "look at this", "fault", "open")
    ]
    lists = {"TRIPOD+AI": pd.DataFrame(
        {"item": ["1", "2"], "topic": "title", "status": ["reported", "open"], "text": "text"}
    )}  # fmt: skip
    write_report(folder / "report.html", state, MANIFEST, lists)
    return folder / "report.html"


def test_the_page_needs_nothing_else(report):
    page = report.read_text()
    # Namespaces and addresses of papers in sentences are no requests.
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert "url(" not in page
    assert "@import" not in page
    assert page.count("<img ") == 1
    assert 'alt="Flow chart. Cohort: 31 listed; Cohort: 30 kept."' in page
    assert "Found &lt;b&gt;it&lt;/b&gt; &amp; was sure." in page
    assert "Figure &lt;6&gt;" in page
    assert "The audit found 1 fault:" in page
    assert "1 reported, 1 open" in page
    assert "Compared with the paper: 30 epochs instead of 100, 5 folds instead of 10" in page
    assert "finished 2030-01-02 03:04:05 UTC" in page
    assert '<th scope="col" class="number"><button type="button">SD</button>' in page
    assert '<button type="button">AUC low</button>' in page
    assert len(page) < 5e6


@pytest.mark.parametrize(("width", "dark"), [(400, False), (400, True), (1400, False)])
def test_in_a_browser(report, browser, width, dark):
    browser.show(report, width=width, dark=dark, before=_WATCH)
    found = browser.run(_LOOK)
    assert found["errors"] == []
    assert len(found["images"]) == 1
    assert all(done and size > 100 and alt for done, size, alt in found["images"])
    # Nothing but tables, which scroll by themselves, is wider than the window.
    assert not found["wide"]
    assert found["dark"] == dark
    assert found["contrast"] >= 4.5
    assert [name for name in found["requests"] if not name.startswith("data:")] == []


@pytest.mark.parametrize("dark", [False, True])
def test_by_keyboard(report, browser, dark):
    browser.show(report, width=1400, dark=dark, before=_WATCH)
    browser.run('document.querySelectorAll("details").forEach(one => one.open = true)')
    places = []
    for _ in range(browser.run(_FOCUSED)["number"]):
        browser.press("Tab")
        focused = browser.run(_FOCUSED)
        places.append(focused["place"])
        assert focused["visible"], focused
        if focused["place"]:
            # The first one, which leads to the results, is hidden until it is reached.
            assert focused["outline"] >= 2, focused
            assert focused["contrast"] >= 3, focused
    # Everything is reached, in the order of the page.
    assert places == list(range(len(places)))

    browser.run('document.querySelectorAll("#tables thead button")[1].focus()')
    browser.press("Enter")
    assert browser.run(_COLUMN) == ["", "0.05", "0.9"]
    browser.press("Space")
    assert browser.run(_COLUMN) == ["0.9", "0.05", ""]
    head = 'document.querySelectorAll("#tables th")[1]'
    assert browser.run(f'{head}.getAttribute("aria-sort")') == "descending"
    assert browser.run(f"document.activeElement.parentElement === {head}")
    assert browser.run("found.errors") == []


def test_in_print(report, browser):
    browser.show(report, width=_PRINTED_WIDTH, dark=True, media="print", before=_WATCH)
    assert browser.print().startswith(b"%PDF")
    browser.run('dispatchEvent(new Event("beforeprint"))')
    assert browser.run('[...document.querySelectorAll("details")].every(one => one.open)')
    found = browser.run(_LOOK)
    assert found["contrast"] >= 4.5
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    # No table is cut.
    widths = browser.run("[...document.querySelectorAll('table')].map(one => one.offsetWidth)")
    assert len(widths) == 6
    assert max(widths) <= _PRINTED_WIDTH
