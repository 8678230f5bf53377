"""The order of the examples within each section of the gallery, as a newcomer would read them."""

from pathlib import Path

ORDER = (
    # First steps
    "plot_first_classifier",
    "plot_simulated_patients",
    "plot_cropping",
    # Figures of the paper
    "plot_figure_1_scans",
    "plot_figure_4_detection",
    "plot_figure_5_fracture",
    "plot_figure_6_explanations",
    "plot_figure_7_learning_curves",
    # Choices
    "plot_honest_epochs",
    "plot_grid_search",
    "plot_hyperband",
    "plot_thresholds",
    # What results mean
    "plot_coefficients",
    "plot_fracture_story",
    "plot_explanations_truth",
)


def position(filename):
    """Return the position of an example, which must be listed in `ORDER`."""
    return ORDER.index(Path(filename).stem)
