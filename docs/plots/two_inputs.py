"""Draw a network with two inputs, made from the same scan."""

from diagram import INPUT, RESULT, STEP, Diagram

diagram = Diagram(1.9, (-1, 189), (-2, 42))
diagram.box(0, 26, 26, 14, "middle of\nthe scan", INPUT)
diagram.box(0, 0, 26, 14, "all of it,\ncoarse", INPUT)
diagram.box(38, 26, 40, 14, "convolutions,\nflatten", STEP)
diagram.box(38, 0, 40, 14, "convolutions,\nflatten", STEP)
diagram.box(92, 13, 30, 14, "concatenate", STEP)
diagram.box(134, 13, 20, 14, "dense", STEP)
diagram.box(166, 13, 22, 14, "output", RESULT)
diagram.arrow((26, 33), (38, 33))
diagram.arrow((78, 33), (92, 23))
diagram.arrow((26, 7), (38, 7))
diagram.arrow((78, 7), (92, 17))
diagram.arrow((122, 20), (134, 20))
diagram.arrow((154, 20), (166, 20))
