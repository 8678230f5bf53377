"""A fitted model as a list of objects, and back.

Each object has its class, its parameters and its fitted attributes. Objects that another one
holds come before it, and an object that is held twice is written once. The model is the last.
"""

import inspect

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import output_container
from skdxa.exceptions import ModelFileError
from skdxa.persistence._checks import Unfit
from skdxa.persistence._classes import FUNCTIONS, KINDS
from skdxa.persistence._codec import Decoder, Encoder, held_objects

_MOST_OBJECTS = 2000
# Limits on nesting depth and on the number of objects, where an object that occurs twice counts
# twice: a file of a few lines could otherwise describe a model that takes years to predict.
_MOST_LEVELS = 30
_MOST_HELD = 10_000
_KEYS = {"class", "params", "fitted", "output", "left_out"}
_MISSING = object()
_PLAIN = (type(None), bool, int, float, str, list, tuple, dict)


def write_objects(model):
    """Return a fitted model as objects of JSON, its arrays, and what had to be left out.

    Returns
    -------
    objects : list of dict
        One per object, the model last.
    arrays : list of ndarray
        The arrays to which the objects refer.
    left_out : list of str
        Parameters that only a fit needs and that cannot be stored, such as
        "SpineCNNClassifier.callbacks".
    """
    writer = _written(model)
    return writer.objects, writer.encoder.arrays, writer.left_out


def parts_of(model):
    """Return the objects that a fitted model consists of, itself the last."""
    return _written(model).instances


def _written(model):
    try:
        check_is_fitted(model)
    except TypeError:
        raise _refused(model) from None
    except RecursionError:
        raise _too_deep() from None
    writer = _Writer()
    writer.refer(model)
    return writer


class _Writer:
    def __init__(self):
        self.objects = []
        # Keep references, so that their ids are not reused.
        self.instances = []
        self.left_out = []
        self.encoder = Encoder(self.refer, FUNCTIONS)
        self._numbers = {}
        self._level = 0

    def refer(self, instance):
        """Return the number of an object; write it first if that is not done."""
        if id(instance) in self._numbers:
            return self._numbers[id(instance)]
        kind = KINDS.get(type(instance).__name__)
        if kind is None or kind.cls is not type(instance):
            raise _refused(instance)
        if self._level == _MOST_LEVELS:
            raise _too_deep()
        self._level += 1
        written = self._write(instance, kind)
        self._level -= 1
        self.objects.append(written)
        self.instances.append(instance)
        self._numbers[id(instance)] = len(self.objects) - 1
        return self._numbers[id(instance)]

    def _write(self, instance, kind):
        name = type(instance).__name__
        params, left_out = self._params(instance, kind)
        fitted = self._fitted(instance, kind)
        written = {
            "class": name,
            "params": {key: self.encoder.encode(value) for key, value in params.items()},
            "fitted": None
            if fitted is None
            else {key: self.encoder.encode(value) for key, value in fitted.items()},
        }
        if kind.has_output and output_container(instance) != "default":
            if output_container(instance) != "pandas":
                raise ModelFileError(
                    f"{name} returns {output_container(instance)} tables, which cannot be stored. "
                    "Call set_output(transform='default') or 'pandas' before the fit."
                )
            written["output"] = "pandas"
        if left_out:
            written["left_out"] = left_out
            self.left_out += [f"{name}.{key}" for key in left_out]
        return written

    def _params(self, instance, kind):
        name = type(instance).__name__
        kept, left_out = {}, []
        for key, parameter in kind.params.items():
            if not parameter.needed and not hasattr(instance, key):
                continue
            try:
                kept[key] = parameter.check(getattr(instance, key))
                if not parameter.needed and not isinstance(kept[key], _PLAIN):
                    # Write an augmenter or a splitter as a test, since it may be left out.
                    _Writer().refer(kept[key])
            except (Unfit, ModelFileError) as error:
                kept.pop(key, None)
                if parameter.needed:
                    raise ModelFileError(
                        f"{name}.{key} must be {error} to be stored. "
                        f"{parameter.remedy or 'Change it before you fit.'}"
                    ) from None
                left_out.append(key)
        for key, setting in inspect.signature(kind.cls).parameters.items():
            known = key in kind.params or key in kind.machine
            if not known and getattr(instance, key, setting.default) is not setting.default:
                raise ModelFileError(
                    f"{name} has the parameter {key}, which this version of skdxa does not know. "
                    "Leave it at its default, or update skdxa."
                )
        return kept, left_out

    def _fitted(self, instance, kind):
        name = type(instance).__name__
        checks = {**kind.required, **kind.optional}
        if kind.read is not None:
            attributes = kind.read(instance)
        else:
            attributes = {key: getattr(instance, key, _MISSING) for key in checks}
            attributes = {key: value for key, value in attributes.items() if value is not _MISSING}
        missing = kind.required.keys() - attributes.keys()
        if missing == kind.required.keys() and kind.required:
            return None
        if missing:
            raise ModelFileError(f"{name} is not completely fitted: it has no {min(missing)}.")
        kept = {}
        for key, value in attributes.items():
            try:
                kept[key] = checks[key](value)
            except Unfit as unfit:
                if key in kind.optional and key == "feature_names_in_":
                    continue
                raise ModelFileError(
                    f"{name}.{key} must be {unfit} to be stored. Fit the model again."
                ) from None
        return kept


def read_objects(nodes, array):
    """Return the model that objects of JSON represent.

    Parameters
    ----------
    nodes : list
        The objects, from a file that may be forged.
    array : callable
        Returns the array of a number.

    Returns
    -------
    model : object
        The fitted model.
    arrays : list of int
        The numbers of the arrays that it holds, in order.
    """
    if not isinstance(nodes, list) or not 1 <= len(nodes) <= _MOST_OBJECTS:
        raise ModelFileError(f"model.json must list 1 to {_MOST_OBJECTS} objects.")
    decoder = Decoder(array, FUNCTIONS)
    sizes, levels, is_held = [], [], set()
    for number, node in enumerate(nodes):
        made = _read(node, decoder)
        held = held_objects([node["params"], node["fitted"]])
        is_held.update(held)
        sizes.append(1 + sum(sizes[other] for other in held))
        levels.append(1 + max((levels[other] for other in held), default=0))
        if sizes[number] > _MOST_HELD or levels[number] > _MOST_LEVELS:
            raise ModelFileError(
                "the model holds too many objects within each other. Do not use this file."
            )
        decoder.objects.append(made)
    if is_held != set(range(len(nodes) - 1)):
        raise ModelFileError("model.json holds objects that are not part of the model.")
    model = decoder.objects[-1]
    try:
        check_is_fitted(model)
    except (NotFittedError, TypeError):
        raise ModelFileError("the model in the file is not fitted. Save it after fit.") from None
    return model, sorted(decoder.seen_arrays)


def _read(node, decoder):
    if not isinstance(node, dict) or not {"class", "params", "fitted"} <= node.keys() <= _KEYS:
        raise ModelFileError(
            "an object in model.json must have a class, params and fitted, and nothing unknown."
        )
    kind = KINDS.get(node["class"]) if isinstance(node["class"], str) else None
    if kind is None:
        raise ModelFileError(
            f"model.json names the class {ascii(node['class'])[:60]}, which is not among those "
            "that a file may hold. It was saved by a newer version of skdxa, or forged."
        )
    params = _read_values(
        node, "params", decoder, {key: one.check for key, one in kind.params.items()}
    )
    _complete(node, params, {key for key, one in kind.params.items() if one.needed})
    fitted = None
    if node["fitted"] is not None:
        fitted = _read_values(node, "fitted", decoder, {**kind.required, **kind.optional})
        _complete(node, fitted, kind.required.keys())
    try:
        made = kind.build(params, fitted)
    except Unfit as unfit:
        raise ModelFileError(
            f"the {node['class']} in the file must be {unfit}. Do not use this file."
        ) from None
    left_out = node.get("left_out", [])
    if not isinstance(left_out, list) or not all(name in kind.params for name in left_out):
        raise ModelFileError(f"the {node['class']} in the file has unknown parameters left out.")
    if "output" in node:
        if node["output"] != "pandas" or not kind.has_output:
            raise ModelFileError(f"the {node['class']} in the file has an unknown output.")
        made.set_output(transform="pandas")
    return made


def _read_values(node, part, decoder, checks):
    if not isinstance(node[part], dict):
        raise ModelFileError(f"{part} of {node['class']} in model.json must be an object.")
    values = {}
    for key, coded in node[part].items():
        if key not in checks:
            raise ModelFileError(
                f"{node['class']} in the file has {ascii(key)[:60]} among its {part}, which is "
                "unknown. It was saved by a newer version of skdxa, or forged."
            )
        value = decoder.decode(coded)
        try:
            values[key] = checks[key](value)
        except Unfit as unfit:
            raise ModelFileError(
                f"{node['class']}.{key} in the file must be {unfit}. Do not use this file."
            ) from None
    return values


def _complete(node, values, names):
    missing = names - values.keys()
    if missing:
        raise ModelFileError(f"{node['class']} in the file has no {min(missing)}.")


def _too_deep():
    return ModelFileError(
        f"the model holds itself, or estimators within each other more than {_MOST_LEVELS} deep. "
        "Save its parts."
    )


def _refused(instance):
    cls = type(instance)
    name = cls.__name__
    if hasattr(instance, "best_estimator_"):
        remedy = "Save its best_estimator_."
    elif cls.__module__.partition(".")[0] in ("keras", "scikeras") or name == "KerasClassifier":
        remedy = "Save its network as a .keras file, by keras.Model.save."
    elif any(issubclass(cls, kind.cls) for kind in KINDS.values()):
        remedy = "Subclasses contain custom code; save an object of the class itself."
    else:
        remedy = f"A model file may hold {', '.join(sorted(KINDS))}."
    return ModelFileError(f"{name} cannot be stored. {remedy}")
