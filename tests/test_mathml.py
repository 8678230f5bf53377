"""Formulas of the documentation, which are written in TeX and shown as MathML."""

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
EXTENSIONS = Path(__file__).resolve().parents[1] / "docs" / "_ext"
if not EXTENSIONS.is_dir():
    pytest.skip(f"no documentation beside the tests: {EXTENSIONS}", allow_module_level=True)


@pytest.fixture
def mathml(monkeypatch):
    """Convert a formula, without the space between elements."""
    monkeypatch.setattr(sys, "path", [str(EXTENSIONS), *sys.path])
    from mathml import mended, tex2mathml

    return lambda tex: re.sub(r"\s*\n\s*", "", mended(tex2mathml(tex)))


THIN = '<mspace width="0.167em"></mspace>'


@pytest.mark.parametrize(
    ("tex", "part"),
    [
        (r"\hat p_i", "<msub><mover"),
        (r"\hat p_i", "</mover><mi>i</mi></msub>"),
        (r"\hat p_i^2", "</mover><mi>i</mi><mn>2</mn></msubsup>"),
        (r"\#\{z\}", '<mo stretchy="false">{</mo>'),
        (r"\left\{ \frac{a}{b} \right\}", "<mo>{</mo>"),
        (r"y \log p", f"<mi>y</mi>{THIN}<mi>log</mi>{THIN}<mi>p</mi>"),
        (r"(y)\log (p)", f")</mo>{THIN}<mi>log</mi><mo>\N{FUNCTION APPLICATION}</mo>"),
        (r"\overline{\log h}", '<mrow class="overline">'),
        (r"x_{\setminus w}", "<mo>\N{SET MINUS}</mo>"),
        (r"\sum_i x_i", '<munder><mo movablelimits="true">∑</mo><mi>i</mi></munder>'),
    ],
)
def test_what_browsers_would_draw_otherwise_is_mended(mathml, tex, part):
    assert part in mathml(tex)
