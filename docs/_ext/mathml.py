"""Formulas as MathML, which browsers draw themselves, without JavaScript."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

# A command that LaTeX has and the converter of docutils does not.
DOTS = re.compile(r"\\dots(?![a-z])")


def converted(node, *, as_block):
    """Return the MathML of a node; a formula that cannot be converted is a warning."""
    try:
        return tex2mathml(DOTS.sub(r"\\ldots", node.astext()), as_block=as_block)
    except MathError as error:
        logging.getLogger(__name__).warning("formula: %s", error, location=node)
        return f"<code>{nodes.unescape(node.astext())}</code>"


def visit_math(translator, node):
    """Write a formula in a line of text."""
    translator.body.append(converted(node, as_block=False))
    raise nodes.SkipNode


def visit_math_block(translator, node):
    """Write a displayed formula, in a box of its own that scrolls where it is too narrow."""
    translator.body.append(translator.starttag(node, "div", CLASS="math-block"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append(converted(node, as_block=True))
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer; `html_math_renderer` selects it."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
