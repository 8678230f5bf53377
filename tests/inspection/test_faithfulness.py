import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.classification import SpineCNNClassifier
from skdxa.exceptions import ScanError
from skdxa.inspection import (
    class_score,
    deletion_insertion,
    grad_cam,
    integrated_gradients,
    localization_score,
    map_similarity,
    occlusion,
    randomized,
    vanilla_gradients,
)
from skdxa.preprocessing import SpineCropper

N, ROWS, COLUMNS = 60, 20, 14
PATCH = (slice(3, 8), slice(8, 12))


@pytest.fixture(scope="module")
def planted():
    """Images whose positive class has a bright patch at a fixed position."""
    y = np.arange(N) % 2
    X = np.random.default_rng(0).normal(size=(N, ROWS, COLUMNS)).astype(np.float32)
    X[:, *PATCH] += 2 * y[:, None, None]
    return X, y


@pytest.fixture(scope="module")
def cnn(planted):
    return SpineCNNClassifier(
        filters=(3, 4),
        kernel_size=3,
        dense_units=8,
        epochs=40,
        dropout=0.1,
        validation_fraction=0,
        precision="float32",
        random_state=3,
    ).fit(*planted)


@pytest.fixture(scope="module")
def positives(planted):
    X, y = planted
    mask = np.zeros((ROWS, COLUMNS), bool)
    mask[PATCH] = True
    return X[y == 1], np.broadcast_to(mask, X[y == 1].shape)


MAPS = {
    "grad_cam": grad_cam,
    "hires_cam": lambda model, X: grad_cam(model, X, variant="hires_cam"),
    "integrated_gradients": lambda model, X: integrated_gradients(model, X, baseline=0),
    "occlusion": lambda model, X: occlusion(model, X, window=4),
}


@pytest.mark.parametrize("method", MAPS)
def test_a_planted_feature_is_found_by_trained_weights_only(cnn, positives, planted, method):
    images, masks = positives
    assert cnn.score(*planted) > 0.9
    learned = MAPS[method](cnn, images)
    found = localization_score(learned, masks, tolerance_mm=1.1)
    assert found["hit"].mean() > 0.8
    assert found["energy"].mean() > 3 * found["energy_by_chance"].mean()
    random_hits, similarities = [], []
    for seed in range(5):
        maps = MAPS[method](randomized(cnn, random_state=seed), images)
        random_hits.append(localization_score(maps, masks, tolerance_mm=1.1)["hit"].mean())
        similarities.append(map_similarity(learned, maps))
    assert np.mean(random_hits) < 0.6
    assert abs(np.nanmean(similarities)) < 0.4


def test_a_faithful_map_deletes_faster_than_a_random_one(cnn, positives):
    images, _ = positives
    faithful = deletion_insertion(cnn, images, occlusion(cnn, images, window=4), random_state=0)
    noise = np.random.default_rng(0).normal(size=images.shape)
    chance = deletion_insertion(cnn, images, noise, random_state=0)
    assert faithful.deletion_auc.mean() < chance.deletion_auc.mean() - 0.1
    assert faithful.insertion_auc.mean() > chance.insertion_auc.mean() + 0.1


def test_deletion_and_insertion_by_hand(cnn, positives):
    images = positives[0][:3]
    maps = np.random.default_rng(1).normal(size=images.shape)
    result = deletion_insertion(cnn, images, maps, n_steps=7, fill=0.25, target=0, batch_size=3)
    n_pixels = ROWS * COLUMNS
    counts = np.round(np.linspace(0, n_pixels, 8)).astype(int)
    np.testing.assert_allclose(result.share, counts / n_pixels)
    for number, (image, heat) in enumerate(zip(images, maps, strict=True)):
        order = np.argsort(-heat.ravel())
        for step, count in enumerate(counts):
            deleted = image.ravel().copy()
            deleted[order[:count]] = 0.25
            inserted = np.full(n_pixels, 0.25, np.float32)
            inserted[order[:count]] = image.ravel()[order[:count]]
            both = np.stack([deleted, inserted]).reshape(2, ROWS, COLUMNS)
            expected = special.expit(-class_score(cnn, both))
            found = [result.deletion[number, step], result.insertion[number, step]]
            np.testing.assert_allclose(found, expected, atol=1e-5)
    widths = np.diff(result.share)
    for curve, area in (
        (result.deletion, result.deletion_auc),
        (result.insertion, result.insertion_auc),
    ):
        np.testing.assert_allclose(area, ((curve[:, 1:] + curve[:, :-1]) / 2 * widths).sum(axis=1))


def test_ties_are_broken_at_random_and_by_the_seed(cnn, positives):
    images = positives[0][:2]
    flat = np.zeros_like(images)
    first = deletion_insertion(cnn, images, flat, n_steps=5, random_state=0)
    again = deletion_insertion(cnn, images, flat, n_steps=5, random_state=0)
    other = deletion_insertion(cnn, images, flat, n_steps=5, random_state=1)
    np.testing.assert_array_equal(first.deletion, again.deletion)
    assert not np.allclose(first.deletion[:, 1:-1], other.deletion[:, 1:-1])
    np.testing.assert_allclose(first.deletion[:, [0, -1]], other.deletion[:, [0, -1]], atol=1e-6)


def test_maps_that_do_not_fit_the_images(cnn, positives):
    images = positives[0][:2]
    with pytest.raises(ValueError, match=r"maps must have the shape.*\(2, 20, 14\), and no NaN"):
        deletion_insertion(cnn, images, images.swapaxes(1, 2))
    with pytest.raises(ValueError, match="and no NaN"):
        deletion_insertion(cnn, images, np.full(images.shape, np.nan))
    with pytest.raises(InvalidParameterError, match="The 'n_steps' parameter of deletion_insert"):
        deletion_insertion(cnn, images, images, n_steps=0)


HEAT = np.array([[0.0, 1, 0, 0, 0], [0, 0, 4, 0, -9], [0, 0, 0, 0, 3]])


def score(mask_pixels, heat=HEAT, **options):
    mask = np.zeros(heat.shape, bool)
    for pixel in mask_pixels:
        mask[pixel] = True
    return localization_score([heat], [mask], **options).iloc[0].tolist()


@pytest.mark.parametrize(
    ("pixels", "options", "expected"),
    [
        ([(1, 2)], {}, [1, 4 / 8, 1 / 15, 1 / 15]),
        ([(2, 4), (1, 4)], {}, [0, 3 / 8, 2 / 15, 2 / 15]),
        # From row 0 to the peak in row 1 it is 1.05 mm, along a row 0.60 mm.
        ([(0, 2)], {"tolerance_mm": 1.0}, [0, 0, 3 / 15, 1 / 15]),
        ([(0, 2)], {"tolerance_mm": 1.05}, [1, 0, 4 / 15, 1 / 15]),
        ([(1, 3)], {"tolerance_mm": 0.6}, [1, 0, 3 / 15, 1 / 15]),
        ([(1, 3)], {"tolerance_mm": 0.6, "spacing_mm": (1, 1)}, [0, 0, 1 / 15, 1 / 15]),
        ([], {}, [np.nan] * 4),
    ],
)
def test_localization_by_hand(pixels, options, expected):
    np.testing.assert_allclose(score(pixels, **options), expected)


def test_maps_without_a_single_peak():
    np.testing.assert_allclose(score([(0, 0)], np.zeros((3, 5))), [0, 0, 1 / 15, 1 / 15])
    np.testing.assert_allclose(score([(0, 0)], -np.ones((3, 5))), [0, 0, 1 / 15, 1 / 15])
    np.testing.assert_allclose(score([(0, 0)], np.ones((3, 5))), [1 / 15] * 4)


def test_pixels_outside_the_map_do_not_count():
    heat = HEAT.copy()
    heat[:, 0] = np.nan
    heat[2, 4] = np.nan
    np.testing.assert_allclose(score([(1, 2), (2, 4), (0, 0)], heat), [1, 4 / 5, 1 / 11, 1 / 11])
    assert np.isnan(score([(2, 4)], heat)).all()


def test_localization_of_scans_of_unequal_size():
    masks = [HEAT > 3, HEAT.T > 0]
    scores = localization_score([HEAT, HEAT.T], [mask.astype(int) for mask in masks])
    assert list(scores) == ["hit", "energy", "hit_by_chance", "energy_by_chance"]
    np.testing.assert_allclose(scores["energy"], [0.5, 1])


def test_masks_that_do_not_fit():
    with pytest.raises(ValueError, match="There are 2 maps and 1 masks"):
        localization_score([HEAT, HEAT], [HEAT > 0])
    with pytest.raises(ValueError, match=r"Map 1 has shape \(3, 5\) and its mask \(5, 3\)"):
        localization_score([HEAT, HEAT], [HEAT > 0, HEAT.T > 0])
    with pytest.raises(ValueError, match="Mask 0 must hold True and False"):
        localization_score([HEAT], [HEAT])
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        localization_score([HEAT], [HEAT > 0], spacing_mm=(1, 0))
    with pytest.raises(InvalidParameterError, match="The 'tolerance_mm' parameter"):
        localization_score([HEAT], [HEAT > 0], tolerance_mm=-1)


def test_randomized_redraws_a_copy(cnn, planted):
    X, _ = planted
    before = [w.copy() for w in cnn.weights_]
    probability = cnn.predict_proba(X)
    other = randomized(cnn, random_state=0)
    for current, redrawn, old in zip(cnn.weights_, other.weights_, before, strict=True):
        np.testing.assert_array_equal(current, old)
        assert redrawn.shape == old.shape
        assert not np.allclose(redrawn, old)
    np.testing.assert_array_equal(cnn.predict_proba(X), probability)
    assert not np.allclose(other.predict_proba(X), probability)
    again = randomized(cnn, random_state=0)
    for one, same in zip(other.weights_, again.weights_, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.allclose(other.weights_[0], randomized(cnn, random_state=1).weights_[0])
    # Glorot's uniform distribution, as in training: no weight beyond its limit.
    limit = np.sqrt(6 / (9 * 3 + 9 * 4))
    assert 0.8 * limit < np.abs(other.weights_[2]).max() <= limit


def test_only_the_named_layers_are_redrawn(cnn):
    other = randomized(cnn, layers=["conv2", "output"], random_state=0)
    changed = [
        not np.array_equal(*pair) for pair in zip(cnn.weights_, other.weights_, strict=True)
    ]
    assert changed == [False, False, True, True, False, False, True, True]
    message = "no layer 'conv3' with weights; it has conv1, conv2, dense, output"
    with pytest.raises(ValueError, match=message):
        randomized(cnn, layers=["conv3", "dense"])


def test_a_pipeline_is_randomized_at_its_end(cnn, planted):
    X, y = planted
    wide = pd.DataFrame({"scan": list(np.pad(X, [(0, 0), (0, 0), (9, 7)]))})
    pipeline = make_pipeline(SpineCropper(ROWS, COLUMNS), SpineCNNClassifier(**cnn.get_params()))
    pipeline.set_params(spinecnnclassifier__epochs=1).fit(wide, y)
    nested = make_pipeline("passthrough", pipeline)
    expected = pipeline.predict_proba(wide)
    for model in (pipeline, nested):
        other = randomized(model, random_state=0)
        assert type(other) is type(model)
        assert not np.allclose(other.predict_proba(wide), expected)
        np.testing.assert_array_equal(model.predict_proba(wide), expected)
        assert vanilla_gradients(other, wide).shape == (N, ROWS, COLUMNS)


def test_similarity_is_spearmans():
    one = np.array([[[1.0, 2, 3], [4, 5, 6]]] * 3)
    others = np.array([[[2.0, 1, 4], [3, 6, 5]], -(one[0] ** 3), one[0]])
    # 1 - 6 * sum(d ** 2) / (n * (n ** 2 - 1)), with all six ranks off by one.
    expected = [1 - 6 * 6 / (6 * 35), -1, 1]
    np.testing.assert_allclose(map_similarity(one, others), expected)
    np.testing.assert_allclose(map_similarity(one, others, absolute=True)[1:], [1, 1])


def test_similarity_without_variation_or_pixels_is_unknown():
    one = np.array([[[1.0, 2, 3], [4, 5, 6]]])
    assert np.isnan(map_similarity(one, np.zeros_like(one)))
    assert np.isnan(map_similarity(one, np.full_like(one, np.nan)))
    holed = one.copy()
    holed[0, 0, 0] = np.nan
    np.testing.assert_allclose(map_similarity(one, holed), 1)


def test_maps_that_do_not_match():
    one = np.zeros((2, 3, 4))
    with pytest.raises(ValueError, match="There are 2 maps and 1 others"):
        map_similarity(one, one[:1])
    with pytest.raises(ValueError, match=r"The maps of scan 0 have shapes \(3, 4\), \(4, 3\)"):
        map_similarity(one, one.swapaxes(1, 2))
