"""How long does each example take, in the last build of the documentation?

`python benchmarks/gallery.py [FOLDER]` reads the pages that sphinx-gallery wrote, in
`docs/auto_examples` by default, and marks what took more than a minute. Builds without the gallery
(`-D plot_gallery=0`) run no example.
"""

import re
import sys
from pathlib import Path

LIMIT_SECONDS = 60
TIME = re.compile(
    r"\*\*Total running time of the script:\*\* \((\d+) minutes (\d+(?:\.\d+)?) seconds\)"
)


def seconds_of(page):
    """Return how long a page's example took, or None where the page does not say."""
    found = TIME.search(page.read_text(encoding="utf-8"))
    return None if found is None else 60 * int(found[1]) + float(found[2])


def times(folder):
    """Return the seconds of each example that was run, slowest first, and how many there are."""
    seconds = {
        page.relative_to(folder).with_suffix("").as_posix(): seconds_of(page)
        for page in folder.glob("*/plot_*.rst")
    }
    run = {name: value for name, value in seconds.items() if value}
    return dict(sorted(run.items(), key=lambda item: -item[1])), len(seconds)


def main(folder):
    ran, n_pages = times(folder)
    if not n_pages:
        raise SystemExit(f"{folder} has no examples: build the documentation first.")
    width = max(map(len, ran), default=0)
    for name, seconds in ran.items():
        slow = f"  more than {LIMIT_SECONDS} s" if seconds > LIMIT_SECONDS else ""
        print(f"{name:<{width}} {seconds:7.1f} s{slow}")
    total = sum(ran.values())
    print(f"{len(ran)} of {n_pages} examples were run, in {total:.0f} s.")


if __name__ == "__main__":
    default = Path(__file__).resolve().parents[1] / "docs" / "auto_examples"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
