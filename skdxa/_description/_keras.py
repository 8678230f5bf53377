"""Configurations of Keras without the names that Keras counts in a process."""

import base64
import binascii
import marshal
import re


def plain_config(config, class_name):
    """Return a configuration with names that do not depend on what was made before.

    Keras names the second optimiser of a process "adam_1". Names that a user has chosen stay.

    Parameters
    ----------
    config : dict
        By `get_config`.
    class_name : str
        Of the object that it is of.

    Returns
    -------
    dict
    """
    names = {}
    _collect_names(config, class_name, names)
    return _renamed(config, names)


def _collect_names(config, class_name, names):
    if isinstance(config, dict):
        name = config.get("name")
        if isinstance(name, str) and _is_counted(name, class_name) and name not in names:
            names[name] = f"{class_name} number {len(names)}"
        # An object in a configuration is its class and a configuration.
        class_name = config.get("class_name", class_name)
        config = config.values()
    elif not isinstance(config, (list, tuple)):
        return
    for value in config:
        _collect_names(value, class_name, names)


def _is_counted(name, class_name):
    # As Keras does.
    words = re.sub(r"\W+", "", str(class_name))
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", words)
    words = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
    return re.fullmatch(rf"{re.escape(words)}(_\d+)?", name) is not None


def _renamed(config, names, key=None):
    if isinstance(config, dict):
        return {key: _renamed(value, names, key) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_renamed(value, names, "name") for value in config]
    if key == "name" and isinstance(config, str):
        return names.get(config, config)
    if key == "code" and isinstance(config, str):
        # A function, with its line in a file.
        try:
            return marshal.loads(base64.b64decode(config))
        except (ValueError, EOFError, TypeError, binascii.Error):
            return config
    return config
