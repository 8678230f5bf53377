"""Which frame of a file with several is the scan."""

from skdxa.exceptions import ScanReadError


def choose_frame(n_frames, frame, *, what):
    """Return the number of the frame to read, counted from 0.

    Parameters
    ----------
    n_frames : int
        Number of frames in the file.
    frame : int or None
        The frame that the caller names; None takes the only one.
    what : str
        How error messages name the file.

    Returns
    -------
    frame : int

    Raises
    ------
    ScanReadError
        If the file has several frames and none is named, or fewer than the one named needs.
    """
    if frame is None and n_frames != 1:
        raise ScanReadError(
            f"{what} holds {n_frames} frames. Name the scan's frame with frame=, counted from 0, "
            "or export it as a separate file.",
            reason="unsupported image",
        )
    if frame is not None and not 0 <= frame < n_frames:
        raise ScanReadError(
            f"{what} holds {n_frames} frame{'s' * (n_frames != 1)}, so there is none of number "
            f"{frame}, counted from 0.",
            reason="no scan",
        )
    return frame or 0
