"""The folder of the finished parts of a study, from which a killed study resumes."""

import errno
import json
import os
import re
from contextlib import contextmanager

import joblib
import numpy as np

from skdxa.exceptions import CheckpointError
from skdxa.study._output import remove_abandoned
from skdxa.validation import remedy_for, replacing

_IDENTITY = "study.json"
# Holds the name of the hidden folder in which a report is being made.
_UNFINISHED = "report_folder"
# Names that `replacing` gives to incomplete files.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")


def remove_former(work, out, own):
    """Remove what killed runs of this study have left next to `out`."""
    remove_abandoned(out, own)
    noted = work / _UNFINISHED
    if noted.exists():
        # The work folder is locked, so that the run that noted this name has ended.
        remove_abandoned(out, own, name=os.fsdecode(noted.read_bytes()))
    with replacing(noted) as file:
        file.write(os.fsencode(own.name))


@contextmanager
def telling_what_is_kept(work):
    """Name the folder with the finished parts if a run ends early."""
    kept = f"Finished parts are kept in {work}"
    try:
        yield
    except (FileExistsError, CheckpointError):
        raise
    except OSError as error:
        remedy = remedy_for(error)
        if remedy is None:
            error.add_note(f"{kept}.")
            raise
        # Permission can be denied when reading as well as when writing.
        refused = error.errno in (errno.EACCES, errno.EPERM)
        raise OSError(
            f"{error.filename or 'A file'} cannot be {'read or ' * refused}written "
            f"({error.strerror or error}). {remedy}, and give the same command again. {kept}."
        ) from error
    except (KeyboardInterrupt, SystemExit) as end:
        end.add_note(f"{kept}: give the same command again to resume.")
        raise
    except Exception as error:
        if str(work) not in str(error):
            error.add_note(f"{kept}.")
        raise


def bind_folder(work, protocol, cohort, external, tasks):
    """Bind a folder to a study, and return whether it was already bound to this study.

    A `CheckpointError` is raised if the folder belongs to another study.
    """
    identity = {
        "protocol": protocol.as_dict(),
        "labels": joblib.hash(
            [cohort.target[task.target].to_numpy(dtype=float) for task in tasks]
        ),
        "patients": joblib.hash(np.asarray(cohort.groups).tolist()),
        "scans": len(cohort.data),
        "external scans": None if external is None else len(external.data),
    }
    path = work / _IDENTITY
    if not path.exists():
        others = [
            one.name
            for one in work.iterdir()
            if one.name not in (".lock", _UNFINISHED) and not _TEMPORARY.fullmatch(one.name)
        ]
        if others:
            raise CheckpointError(
                f"the checkpoint folder {work} holds {sorted(others)[0]} but no {_IDENTITY}, so "
                "that the study that it belongs to is unknown. Use another folder."
            )
        with replacing(path) as file:
            file.write(json.dumps(identity, indent=1).encode())
        _remove_temporaries(work)
        return False
    try:
        before = json.loads(path.read_text())
        before, now = _flat(before), _flat(json.loads(json.dumps(identity)))
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Delete the folder {work}.") from error
    differences = [
        f"{name} was {before.get(name, 'absent')}, is {now.get(name, 'absent')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if differences:
        raise CheckpointError(
            f"the folder {work} belongs to another study: {'; '.join(differences[:5])}. Undo the "
            "change to resume it, delete it, or use another folder."
        )
    _remove_temporaries(work)
    return True


def _remove_temporaries(work):
    """Remove the files that killed runs were writing, in the locked folder of this run."""
    for path in work.rglob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _flat(tree, name=""):
    """Return the values of a tree of dicts, by their path in it."""
    if not isinstance(tree, dict):
        return {name: tree}
    leaves = {}
    for key, value in tree.items():
        leaves.update(_flat(value, f"{name} {key}".strip()))
    return leaves
