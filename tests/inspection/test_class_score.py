import numpy as np

from skdxa.inspection import class_score


def test_class_score_is_what_the_sigmoid_is_taken_of(cnn, X, truth):
    expected = [reference.score for reference in truth]
    np.testing.assert_allclose(class_score(cnn, X), expected, atol=1e-4)
    np.testing.assert_allclose(class_score(cnn, X, target=0), -np.array(expected), atol=1e-4)
