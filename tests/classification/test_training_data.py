import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from small_network import N, small

from skdxa.classification._training import train
from skdxa.classification._training_data import split_off
from skdxa.preprocessing import HorizontalFlip


class Spy(TransformerMixin, BaseEstimator):
    """An augmenter that keeps what it was given and marks what it made."""

    seen = ()

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        type(self).seen = X
        return X + 100

    def __sklearn_is_fitted__(self):
        return True


def test_validation_images_are_split_off_before_augmentation(stack):
    X, y = stack
    cnn = small(epochs=1, augmenter=Spy(), validation_fraction=0.2)
    held_out = {}

    def spy(classifier, training, val, *seeds):
        held_out.update(images=training[0], labels=training[1], val=val)
        return train(classifier, training, val, *seeds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdxa.classification._training.train", spy)
        cnn.fit(X, y)
    val_images, val_labels, _ = held_out["val"]
    assert len(val_images) == 8
    assert np.bincount(val_labels).tolist() == [4, 4]
    assert len(held_out["images"]) == 2 * 32
    np.testing.assert_array_equal(held_out["labels"][:32], held_out["labels"][32:])
    np.testing.assert_array_equal(held_out["images"][32:], held_out["images"][:32] + 100)
    corners = set(val_images[:, 0, 0].tolist())
    assert corners.isdisjoint(np.asarray(Spy.seen)[:, 0, 0].tolist())
    assert corners <= set(X[:, 0, 0].tolist())


def test_a_patient_stays_on_one_side_of_the_inner_split(stack):
    X, _ = stack
    groups = np.repeat(np.arange(N // 2), 2)
    labels = np.repeat(np.arange(N // 2) % 2, 2)
    for seed in range(5):
        train, held_out = split_off(labels, groups, np.array([0, 1]), 0.25, seed)
        assert set(groups[train]).isdisjoint(groups[held_out])
        assert len(held_out) == 10
    assert small(epochs=1).fit(X, labels, groups=groups).best_epoch_ == 1


def test_patients_with_scans_of_both_classes_can_be_held_out(stack):
    X, y = stack
    groups = np.repeat(np.arange(N // 2), 2)
    train, held_out = split_off(y, groups, np.array([0, 1]), 0.1, 0)
    assert len(held_out) == 4
    assert set(groups[train]).isdisjoint(groups[held_out])
    assert small(epochs=1).fit(X, y, groups=groups).best_epoch_ == 1


def test_one_patient_written_in_two_ways_is_held_out_whole(stack):
    X, y = stack
    patients = np.arange(N // 2)
    groups = np.array([p for n in patients for p in (float(n), str(n))], dtype=object)
    seen = {}

    def spy(labels, groups, *options):
        seen["groups"] = groups
        return split_off(labels, groups, *options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdxa.classification._cnn.split_off", spy)
        small(epochs=1).fit(X, y, groups=groups)
    assert len(np.unique(seen["groups"])) == N // 2


def test_flip_as_augmenter(stack):
    X, y = stack
    cnn = small(augmenter=HorizontalFlip(), epochs=20).fit(X, y)
    assert cnn.score(HorizontalFlip().fit_transform(X), y) > 0.9


def test_pandas_output_everywhere_does_not_reach_the_augmenter(stack):
    X, y = stack
    with config_context(transform_output="pandas"):
        assert small(epochs=1, augmenter=HorizontalFlip()).fit(X, y).best_epoch_ == 1
