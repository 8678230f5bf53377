"""Make the pictures of the tutorial: `python docs/tutorial/make_pictures.py FOLDER`.

FOLDER is where the tutorial's commands were run. The picture of the report needs Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).resolve().parents[1] / "images"
# Pixels across; a page of the documentation shows at most half of them.
WIDTH = 1080
# Rows of the contact sheet and of the report that are shown, in pixels of the source.
SHEET_ROWS, REPORT_ROWS = 500, 905


def save(image, name, width=WIDTH):
    """Save a picture of 256 colours, which keeps the file small."""
    height = round(image.height * width / image.width)
    image = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    image.quantize(256).save(IMAGES / name, optimize=True)


def photograph(page):
    """Return what a browser shows of a page."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "page.png"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        subprocess.run(
            [browser, *options, f"--window-size=1000,{REPORT_ROWS}", f"--screenshot={shot}",
             page.resolve().as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        return Image.open(shot).copy()


def make_pictures(folder):
    """Make the three pictures of a folder in which the tutorial was run."""
    sheet = Image.open(folder / "review" / "contact_sheet_1.png")
    save(sheet.crop((0, 0, sheet.width, SHEET_ROWS)), "tutorial_contact_sheet.png")
    save(photograph(folder / "report" / "report.html"), "tutorial_report.png")
    save(Image.open(folder / "pictures" / "N002.png"), "tutorial_explained.png", 720)


if __name__ == "__main__":
    make_pictures(Path(sys.argv[1]))
