"""Where DICOM files state a property: for a frame, for all frames, or for the file."""

from skdxa.scans._dicom_elements import unusable


def find_item(elements, frame, sequence, keywords):
    """Return the elements that state a property of a frame.

    Parameters
    ----------
    elements : Elements
        The header.
    frame : int
        Number of the frame, counted from 0.
    sequence : str or None
        The sequence that holds the property in a functional group; None for the group itself.
    keywords : tuple of str
        The property's elements.

    Returns
    -------
    item : Elements
        Of the frame's functional group, else of the shared one, else the header itself; the
        first that holds one of the elements.
    """
    for group in _functional_groups(elements, frame):
        item = group if sequence is None else group.item(sequence)
        if item is not None and any(keyword in item for keyword in keywords):
            return item
    return elements


def _functional_groups(elements, frame):
    frames = elements.items("PerFrameFunctionalGroupsSequence")
    if frames and frame >= len(frames):
        raise unusable("PerFrameFunctionalGroupsSequence", "has fewer items than frames")
    if frames:
        yield frames[frame]
    shared = elements.item("SharedFunctionalGroupsSequence")
    if shared is not None:
        yield shared
