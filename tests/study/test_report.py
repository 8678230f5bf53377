"""The report in a browser: complete, self-contained, sortable, without an error."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch
from study_cohorts import small_cohort

from skdxa.study import Protocol
from skdxa.study._audit import AuditItem
from skdxa.study._figures import flow
from skdxa.study._report import write_report
from skdxa.study._steps import StudyState
from skdxa.study._tasks import Task

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MANIFEST = {
    "versions": {"skdxa": "1.2.3", "python": "3.12"},
    "finished": "2030-01-02T03:04:05+00:00",
    "seconds": {"all": 3.0},
}
# Put before all other scripts: what goes wrong while the page is shown.
_WATCH = """<script>
window.found = { errors: [] };
addEventListener("error", event => found.errors.push(String(event.message || event.target)), true);
addEventListener("securitypolicyviolation", event => found.errors.push(event.blockedURI));
console.error = console.warn = (...words) => found.errors.push(words.join(" "));
</script>"""
_LOOK = """<script>
addEventListener("load", () => {
  found.images = [...document.images].map(one => [one.complete, one.naturalWidth, one.alt]);
  found.requests = performance.getEntriesByType("resource").map(one => one.name);
  const table = document.querySelector("#tables table");
  const column = () => [...table.tBodies[0].rows].map(row => row.cells[1].textContent);
  const button = table.querySelectorAll("thead button")[1];
  button.click(); found.up = column();
  button.click(); found.down = column();
  found.sort = button.parentElement.getAttribute("aria-sort");
  found.focusable = [...document.querySelectorAll(".scroll")].every(one => one.tabIndex === 0);
  found.wide = document.documentElement.scrollWidth > innerWidth;
  found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = text => rgb(text).map(one => {
    one /= 255; return one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
  const page = light(getComputedStyle(document.body).backgroundColor);
  const texts = [...document.querySelectorAll("p, td, th, a, h2, .verdict, summary")];
  found.contrast = Math.min(...texts.map(one => {
    const ink = light(getComputedStyle(one).color);
    return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
  }));
  document.documentElement.setAttribute("data-found", JSON.stringify(found));
});
</script>"""


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
    assert "Compared with the paper: 30 epochs in place of 100, 5 folds in place of 10" in page
    assert "finished 2030-01-02 03:04:05 UTC" in page
    assert '<button type="button">SD</button>' in page
    assert len(page) < 5e6


@pytest.mark.parametrize(("width", "dark"), [(400, False), (400, True), (1400, False)])
def test_in_a_browser(report, tmp_path, width, dark):
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    page = tmp_path / "watched.html"
    text = report.read_text().replace("<head>", f"<head>{_WATCH}", 1)
    page.write_text(text.replace("</body>", f"{_LOOK}</body>"))
    command = [
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        f"--window-size={width},900",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--dump-dom",
        page.as_uri(),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    dom = re.search(r'data-found="([^"]*)"', ran.stdout)
    assert dom is not None, ran.stderr[-2000:]
    found = json.loads(dom[1].replace("&quot;", '"').replace("&amp;", "&"))
    assert found["errors"] == []
    assert len(found["images"]) == 1
    assert all(done and size > 100 and alt for done, size, alt in found["images"])
    assert found["up"] == ["", "0.05", "0.9"]
    assert found["down"] == ["0.9", "0.05", ""]
    assert found["sort"] == "descending"
    assert found["focusable"]
    # Nothing but tables, which scroll by themselves, is wider than the window.
    assert not found["wide"]
    assert found["dark"] == dark
    assert found["contrast"] >= 4.5
    assert [name for name in found["requests"] if not name.startswith("data:")] == []
