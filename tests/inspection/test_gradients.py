import numpy as np
import pytest
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.inspection import class_score, integrated_gradients, smooth_grad, vanilla_gradients


def test_vanilla_gradients_equal_backpropagation_by_hand(cnn, X, truth):
    expected = np.stack([reference.d_image for reference in truth])
    gradients = vanilla_gradients(cnn, X)
    assert gradients.dtype == np.float32
    np.testing.assert_allclose(gradients, expected, atol=1e-4)
    np.testing.assert_array_equal(vanilla_gradients(cnn, X, target=0), -gradients)


def test_vanilla_gradients_equal_finite_differences(cnn, X, reference):
    gradients = vanilla_gradients(cnn, X[:2])
    step = 1e-6
    for image, gradient in zip(X[:2], gradients, strict=True):
        for pixel in [(0, 0), (3, 8), (7, 4), (13, 9), (12, 1)]:
            bump = np.zeros(image.shape)
            bump[pixel] = step
            up, down = (reference(cnn.weights_, image + s * bump).score for s in (1, -1))
            assert gradient[pixel] == pytest.approx((up - down) / (2 * step), abs=1e-3)


def test_smooth_grad_is_the_mean_gradient_of_noisy_copies(cnn, X):
    np.testing.assert_allclose(
        smooth_grad(cnn, X, noise=0, n_samples=3), vanilla_gradients(cnn, X), atol=1e-6
    )
    maps = smooth_grad(cnn, X, n_samples=400, noise=0.1, random_state=0)
    rng = np.random.default_rng(7)
    noisy = X[2] + 0.1 * np.ptp(X[2]) * rng.normal(size=(4000, *X.shape[1:]))
    gradients = vanilla_gradients(cnn, noisy)
    error = gradients.std(axis=0) * np.sqrt(1 / 400 + 1 / 4000)
    assert (np.abs(maps[2] - gradients.mean(axis=0)) < 5 * error + 1e-6).all()
    np.testing.assert_array_equal(
        smooth_grad(cnn, X, n_samples=4, target=0, random_state=0),
        -smooth_grad(cnn, X, n_samples=4, random_state=0),
    )


def test_the_seed_decides(cnn, X):
    first = smooth_grad(cnn, X, n_samples=3, random_state=0)
    for same in (0, np.random.RandomState(0)):
        np.testing.assert_array_equal(smooth_grad(cnn, X, n_samples=3, random_state=same), first)
    others = [smooth_grad(cnn, X, n_samples=3, random_state=seed) for seed in (1, 2, 3)]
    assert any(not np.array_equal(other, first) for other in others)


@pytest.mark.parametrize("baseline", ["tissue", 0.25, "image"])
def test_integrated_gradients_sum_to_the_difference_of_scores(cnn, X, baseline):
    if baseline == "image":
        baseline = np.linspace(-1, 1, X[0].size).reshape(X[0].shape)
    maps = integrated_gradients(cnn, X, baseline=baseline, n_steps=1000)
    if isinstance(baseline, str):
        level = [np.sort(image.ravel())[(image.size - 1) // 4] for image in X]
        without = np.broadcast_to(np.array(level)[:, None, None], X.shape)
    else:
        without = np.broadcast_to(baseline, X.shape)
    difference = class_score(cnn, X) - class_score(cnn, without)
    assert np.abs(difference).min() > 0.02
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), difference, atol=5e-3)
    other = integrated_gradients(cnn, X, baseline=baseline, n_steps=1000, target=0)
    np.testing.assert_array_equal(other, -maps)


def test_a_baseline_with_nan_is_one_clear_error(cnn, X):
    message = r"baseline must be 'tissue', a number or an image of shape \(14, 10\) without NaN"
    with pytest.raises(ValueError, match=message):
        integrated_gradients(cnn, X, baseline=np.nan)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (vanilla_gradients, {"batch_size": 2.5}),
        (smooth_grad, {"noise": -0.1}),
        (smooth_grad, {"n_samples": 0}),
        (integrated_gradients, {"n_steps": 0}),
        (integrated_gradients, {"baseline": "black"}),
    ],
)
def test_a_bad_parameter_raises_scikit_learns_error(cnn, X, function, options):
    (name,) = options
    message = f"The '{name}' parameter of {function.__name__} must be"
    with pytest.raises(InvalidParameterError, match=message):
        function(cnn, X, **options)
