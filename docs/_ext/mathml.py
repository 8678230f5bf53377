"""Formulas as MathML, which browsers draw themselves, so that pages load no JavaScript."""

import re
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

# A command that LaTeX has and the converter of docutils does not.
DOTS = re.compile(r"\\dots(?![a-z])")
APPLY_FUNCTION = "\N{FUNCTION APPLICATION}"
# Signs that common fonts for mathematics lack, or that are placed differently than in TeX.
SIGNS = {"\N{REVERSE SOLIDUS OPERATOR}": "\N{SET MINUS}", "'": "\N{PRIME}"}
STRETCHED = ("{", "}", "\N{DOUBLE VERTICAL LINE}")
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
# What browsers put space around as around a relation.
CLOSE_SET = ("|", "/")
THIN_SPACE = {"width": "0.167em"}


def mended(mathml):
    """Return the MathML of docutils, changed where browsers would not draw it as TeX does.

    A subscript of a letter with an accent goes beside the letter, braces are stretched only where
    they enclose a part between `\\left` and `\\right`, the name of a function is apart from what
    is before and behind it, and an overline is as long as what it covers.
    """
    plain = mathml.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    root = ElementTree.fromstring(plain.replace("&ApplyFunction;", APPLY_FUNCTION))
    for parent in list(root.iter()):
        mend_children(parent)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def mend_children(parent):
    """Change the elements in an element of MathML as `mended` says."""
    enclosed = len(parent) > 1 and parent[0].text in STRETCHED and parent[-1].text in STRETCHED
    for place, one in reversed(list(enumerate(parent))):
        if one.text in SIGNS:
            one.text = SIGNS[one.text]
        elif one.text in STRETCHED and not enclosed and not one.get("minsize"):
            one.set("stretchy", "false")
        elif one.text in CLOSE_SET:
            one.attrib |= {"lspace": "0", "rspace": "0"}
        elif one.tag == "mover" and one[1].text == "_":
            one.tag, one.attrib = "mrow", {"class": "overline"}
            one.remove(one[1])
        elif one.tag == "munderover" and one[2].tag == "mo" and one[2].get("stretchy") == "false":
            letter, below, accent = one
            accented = ElementTree.Element("mover", accent="true")
            accented.extend([letter, accent])
            if parent.tag == "msup" and place == 0:
                parent.tag = "msubsup"
                parent[:1] = [accented, below]
            else:
                one.tag, one[:] = "msub", [accented, below]
        elif one.text == APPLY_FUNCTION:
            set_apart(parent, place)


def set_apart(parent, place):
    """Put thin spaces around the name of a function, which is before `place`."""
    behind = parent[place + 1] if place + 1 < len(parent) else None
    if behind is not None and behind.text not in OPENING:
        parent[place] = ElementTree.Element("mspace", THIN_SPACE)
    before = parent[place - 2] if place > 1 else None
    if before is not None and (before.text in CLOSING or before.tag not in ("mo", "mspace")):
        parent.insert(place - 1, ElementTree.Element("mspace", THIN_SPACE))


def converted(node, *, as_block):
    """Return the MathML of a node; a formula that cannot be converted is a warning."""
    try:
        return mended(tex2mathml(DOTS.sub(r"\\ldots", node.astext()), as_block=as_block))
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
