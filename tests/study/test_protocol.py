"""The choices of a study."""

import pytest

from skdxa.study import Protocol


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"epochs": 0}, r"'epochs' .* of Protocol must be an int in the range \[1, inf\). Got 0"),
        ({"n_splits": 1}, r"'n_splits' .* must be an int in the range \[2, inf\). Got 1"),
        ({"n_subjects": 1.5}, r"'n_subjects' .* must be an int in the range \[1, inf\). Got 1.5"),
        ({"interval": "exact"}, r"'interval' .* among {.*'corrected'.*}. Got 'exact'"),
        ({"validation_fraction": 1.0}, r"'validation_fraction' .* in the range \[0.0, 1.0\)"),
        ({"random_state": -1}, r"'random_state' .* in the range \[0, 4294967295\]. Got -1"),
        ({"threshold": "half"}, "'threshold' .* must be an instance of 'float'"),
        ({"targets": "scoliosis"}, "'targets' .* instance of 'tuple'.* Got 'scoliosis'"),
        ({"targets": ()}, r"targets must be one or more column names; got \(\)\."),
        ({"gaps": "ignore"}, r"'gaps' .* among {.*'impute'.*}. Got 'ignore'"),
        ({"stack_folds": 1}, r"stack_folds must be 0, for no stack, or at least 2; got 1\."),
        ({"columns": {"age": 3}}, "columns must hold names of columns; got 'age': 3"),
        ({"primary": {"model": "Age"}}, "primary must name a target, and may name a model"),
        ({"primary": {"target": "a", "p": 1}}, "primary must name a target, and may name"),
        ({"primary": {"target": "kyphosis"}}, "names the target 'kyphosis', which is none of"),
        ({"targets": (1,)}, r"targets must be one or more column names; got \(1,\)\."),
    ],
)
def test_bad_protocols(choices, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**choices)


def test_a_toml_file_holds_a_protocol(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        """
        protocol = "paper"
        targets = ["scoliosis", "fracture_ever"]
        n_repeats = 10
        scored_on = { fracture_ever = "fracture_10y" }
        primary = { target = "fracture_ever", against = "Age" }
        [columns]
        bmd_L1 = "L1 BMD"
        """
    )
    protocol = Protocol.from_toml(path, random_state=7)
    assert protocol == Protocol.paper(
        targets=("scoliosis", "fracture_ever"),
        n_repeats=10,
        scored_on={"fracture_ever": "fracture_10y"},
        primary={"target": "fracture_ever", "against": "Age"},
        columns={"bmd_L1": "L1 BMD"},
        random_state=7,
    )
    assert protocol.as_dict()["targets"] == ["scoliosis", "fracture_ever"]
    assert Protocol.quick().as_dict()["targets"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", r"study\.toml is not a TOML file: Invalid value"),
        ("epoch = 3", r"a protocol has no choice 'epoch'; .* Did you mean 'epochs'\?"),
        ("x = 3", r"a protocol has no choice 'x'; there are targets, .*n_threads\.$"),
        ("epochs = 0", r"study\.toml: .*'epochs' .* Got 0"),
        ('protocol = "long"', r"study\.toml: protocol must be 'quick' or 'paper'; got 'long'"),
    ],
)
def test_bad_toml_files_are_named(tmp_path, text, message):
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Protocol.from_toml(path)
