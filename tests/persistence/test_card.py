import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier

from skdxa.evaluation import CrossValidationResult
from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, model_card, read_card, save_model


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    scores = pd.DataFrame(
        {"repeat": 0, "fold": np.arange(40) // 10, "row": range(40), "score": rng.random(40)}
    )
    folds = pd.DataFrame({"repeat": 0, "fold": range(4), "n_train": 30, "n_test": 10})
    return CrossValidationResult(scores, folds, y)


def test_a_drafted_card_has_all_facts_of_the_model(models, result):
    subgroups = pd.DataFrame({"auc": [0.71234, 0.8], "n": [12, 28]}, index=["under 70", "70|up"])
    subgroups.index.name = "age"
    card = model_card(
        models["calibrated, sigmoid"],
        result=result,
        title="Scoliosis on DXA",
        data={"device": "simulated", "scans": 40},
        subgroups=subgroups,
        use="To test skdxa.",
        limits="Random images.",
        citation="Nobody, 2026.",
    )
    for text in (
        "# Scoliosis on DXA\n\n## Model\n",
        "- Classes: 'healthy' (negative), 'scoliosis' (positive)\n",
        "- Scans: scan[1.05 x 0.6 mm, g/cm2]\n",
        "7 x 9 pixels, kernels (4,)",
        "## Intended use\n\nTo test skdxa.\n",
        "## Data\n\n- device: simulated\n- scans: 40\n",
        "Cross-validation, 1 x 4 folds, 40 scans of which 20 are positive.",
        "| age | auc | n |\n| --- | --- | --- |\n| under 70 | 0.7123 | 12 |\n",
        "\n| 70\\|up | 0.8 | 28 |\n",
        "## Limits\n\nRandom images.\n\n- Scans of another device",
        "## How to cite\n\nNobody, 2026.\n\nskdxa",
    ):
        assert text in card
    estimate = result.summary().loc["auc"]
    assert f"| auc | {estimate.estimate:.4g} | {estimate.low:.4g} | {estimate.high:.4g} |" in card
    assert "Not stated" not in card


def test_what_is_not_given_is_marked_as_not_stated(models):
    card = model_card(models["tuned stack"])
    assert card.count("*Not stated.*") == 3
    assert "not a medical device" in card
    assert f"- Threshold: {models['tuned stack'].best_threshold_:.4g}\n" in card
    assert "StratifiedPatientKFold" not in card


def test_the_performance_is_at_the_threshold_of_the_model(models, result, cohort):
    at_half, lower = (result.summary(threshold=t).loc["sensitivity"] for t in (0.5, 0.3))
    assert at_half.estimate < lower.estimate
    options = {"threshold": 0.3, "response_method": "predict_proba", "pos_label": "scoliosis"}
    model = FixedThresholdClassifier(models["frozen"], **options).fit(*cohort)
    card = model_card(model, result=result)
    assert f"| sensitivity | {lower.estimate:.4g} | {lower.low:.4g} |" in card
    assert "Sensitivity, specificity and accuracy are at the threshold 0.3.\n" in card
    # The threshold that decides is the outer one.
    outer = FixedThresholdClassifier(FrozenEstimator(model), **options | {"threshold": 0.4})
    card = model_card(outer.fit(*cohort), result=result)
    assert "- Threshold: 0.4\n" in card
    assert "accuracy are at the threshold 0.4.\n" in card
    other = FixedThresholdClassifier(models["frozen"], **options | {"pos_label": "healthy"})
    card = model_card(other.fit(*cohort), result=result)
    assert "- Threshold: 0.3, of the probability or score of 'healthy'\n" in card
    assert "at the threshold" not in card
    card = model_card(models["pipeline"], result=result)
    assert f"| sensitivity | {at_half.estimate:.4g} | {at_half.low:.4g} |" in card
    assert "at the threshold" not in card
    # A threshold of probabilities is none of other scores.
    other = result.fold_assignment.with_scores(result.repeat_scores(0))
    assert "at the threshold" not in model_card(model, result=other)


def test_each_network_of_a_vote_is_described(models, result):
    card = model_card(models["vote"], result=result)
    assert card.count("7 x 9 pixels, kernels (4,)") == 2
    assert "- Network 2: 7 x 9 pixels" in card
    assert "The numbers are of single models, and this model is a vote of several." in card


def test_the_card_travels_with_the_model(models, tmp_path):
    for card, read in (
        (model_card(models["texture"]), model_card(models["texture"])),
        ("Grüße: ≥ 10°", "Grüße: ≥ 10°"),
        (
            {"Data": "40 scans", "Notes": ["a", "b"]},
            "## Data\n\n40 scans\n\n## Notes\n\n- a\n- b\n",
        ),
        ("", ""),
        ("a\tb\r\nc\n", "a\tb\nc\n"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ):
        save_model(models["texture"], tmp_path / "m.skdxa", card=card)
        assert read_card(tmp_path / "m.skdxa") == read
        load_model(tmp_path / "m.skdxa")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (3, "card must be Markdown or a dict"),
        ({1: "x"}, "card must be Markdown or a dict"),
        ("x" * (2**20 + 1), "more than 1048576 bytes"),
        ("a\ud800", "half a character"),
        ("a\x1b[2Jb", r"control character '\\x1b'"),
        ("a\u202eb", r"control character '\\u202e'"),
    ],
)
def test_cards_that_are_refused(models, tmp_path, card, message):
    with pytest.raises(ModelFileError, match=message):
        save_model(models["texture"], tmp_path / "m.skdxa", card=card)


def test_other_faults(models, tmp_path):
    with pytest.raises(ModelFileError, match="subgroups must be a DataFrame"):
        model_card(models["texture"], subgroups=[1])
    with pytest.raises(ModelFileError, match="dict cannot be stored"):
        model_card({})
    with pytest.raises(ModelFileError, match="no such file"):
        read_card(tmp_path / "m.skdxa")


def test_a_forged_card_cannot_change_a_terminal(saved, forger, tmp_path):
    parts = forger(saved["texture"])
    parts.members["card.md"] = b"harmless\x1b]0;not\x07"
    (tmp_path / "m.skdxa").write_bytes(parts.pack())
    with pytest.raises(ModelFileError, match="control character"):
        read_card(tmp_path / "m.skdxa")


def test_tables_and_lists_in_a_dict(models, tmp_path):
    card = {"Results": pd.DataFrame({"auc": [0.5]}), "Years": (2019, 2020)}
    save_model(models["texture"], tmp_path / "m.skdxa", card=card)
    assert read_card(tmp_path / "m.skdxa") == (
        "## Results\n\n| auc |\n| --- |\n| 0.5 |\n\n## Years\n\n- 2019\n- 2020\n"
    )
