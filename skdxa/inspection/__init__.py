"""Explanations of a trained network, and tests of whether they are faithful to it.

Maps of the pixels that support a class, the network's feature maps and the images that
activate its kernels most; then measures that distinguish a faithful map from a plausible one.
All functions take a fitted `SpineCNNClassifier`, or a pipeline that ends in one, and
return arrays.

Keras and TensorFlow are imported when a network is first inspected.
"""

from skdxa.inspection._class_score import class_score
from skdxa.inspection._faithfulness import (
    deletion_insertion,
    localization_score,
    map_similarity,
    randomized,
)
from skdxa.inspection._features import network_features
from skdxa.inspection._grad_cam import grad_cam
from skdxa.inspection._gradients import integrated_gradients, smooth_grad, vanilla_gradients
from skdxa.inspection._kernels import feature_maps, maximize_activation
from skdxa.inspection._model import prepare_images
from skdxa.inspection._occlusion import occlusion
from skdxa.inspection._placement import to_scan

__all__ = [
    "class_score",
    "deletion_insertion",
    "feature_maps",
    "grad_cam",
    "integrated_gradients",
    "localization_score",
    "map_similarity",
    "maximize_activation",
    "network_features",
    "occlusion",
    "prepare_images",
    "randomized",
    "smooth_grad",
    "to_scan",
    "vanilla_gradients",
]
