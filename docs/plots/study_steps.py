"""Draw the steps of a study, from the protocol to the report."""

from diagram import INPUT, RESULT, STEP, Diagram

diagram = Diagram(3.0, (-1, 166), (-2, 64))
diagram.box(0, 38, 22, 14, "protocol", INPUT)
diagram.box(0, 12, 22, 14, "table\nand scans", INPUT)
diagram.box(32, 22, 27, 20, "repeated\ncross-\nvalidation", STEP)
diagram.box(69, 22, 20, 20, "scores\nand\nmodels", RESULT)
diagram.arrow((22, 45), (32, 36))
diagram.arrow((22, 19), (32, 28))
diagram.arrow((59, 32), (69, 32))
parts = ("tables, figures", "comparisons", "calibration", "other hospital", "audit")
for row, part in enumerate(parts):
    bottom = 52 - 13 * row
    diagram.box(99, bottom, 37, 10, part, STEP)
    diagram.arrow((89, 32), (99, bottom + 5))
    diagram.arrow((136, bottom + 5), (146, 32))
diagram.box(146, 22, 19, 20, "report", RESULT)
