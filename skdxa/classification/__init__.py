"""The network as a scikit-learn classifier.

Keras and TensorFlow are imported when a network is first fitted or asked to
predict, so that building a pipeline, or reading a saved one, costs nothing.
"""

from skdxa.classification._cnn import SpineCNNClassifier

__all__ = ["SpineCNNClassifier"]
