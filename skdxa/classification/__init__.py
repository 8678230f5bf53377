"""The network as a scikit-learn classifier.

Keras and TensorFlow are imported when a network is first fitted or asked to
predict, so that building a pipeline, or reading a saved one, costs nothing.
"""

from skdxa.classification._cnn import SpineCNNClassifier
from skdxa.classification._stacking import ColumnScores, make_fracture_stack

__all__ = ["ColumnScores", "SpineCNNClassifier", "make_fracture_stack"]
