"""Draw what a saved model holds, and how it is loaded."""

from diagram import INPUT, STEP, Diagram

diagram = Diagram(2.6, (-1, 127), (-2, 68), font_size=11)
diagram.box(0, 20, 22, 16, "fitted\nmodel", INPUT)
diagram.box(36, 0, 46, 56, "", "white")
diagram.ax.text(59, 59, "model.skdxa (ZIP)", ha="center", va="bottom")
diagram.box(39, 39, 40, 14, "model.json: classes,\nparameters, settings", STEP, fontsize=9.5)
diagram.box(39, 21, 40, 14, "card.md: data, use,\nperformance, limits", STEP, fontsize=9.5)
diagram.box(39, 3, 40, 14, "arrays: weights,\nnumbers of yours", STEP, fontsize=9.5)
diagram.box(104, 20, 22, 16, "same\nmodel", INPUT)
for start, end, text in ((22, 36, "save"), (82, 104, "check,\nthen load")):
    diagram.arrow((start, 28), (end, 28))
    diagram.ax.text((start + end) / 2, 30, text, ha="center", va="bottom", fontsize=10)
