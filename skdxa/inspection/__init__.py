"""What a trained network looks at, and whether the picture can be believed.

Maps of the pixels that speak for a class, the network's own feature maps and the
patterns its kernels wait for; then the measures that tell a faithful map from a
plausible one. Everything takes a fitted `SpineCNNClassifier`, or a pipeline that ends
in one, and gives arrays.

Keras and TensorFlow are imported when a network is first looked into.
"""

from skdxa.inspection._attribution import (
    class_score,
    grad_cam,
    integrated_gradients,
    occlusion,
    smooth_grad,
    vanilla_gradients,
)
from skdxa.inspection._faithfulness import (
    deletion_insertion,
    localization_score,
    map_similarity,
    randomized,
)
from skdxa.inspection._kernels import feature_maps, maximize_activation
from skdxa.inspection._model import prepare
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
    "occlusion",
    "prepare",
    "randomized",
    "smooth_grad",
    "to_scan",
    "vanilla_gradients",
]
