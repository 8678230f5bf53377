"""Exit statuses of the command `skdxa`, which a script can check."""

FAILED = 1
SOME_FAILED = 3

STATUSES = {
    0: "The command did what it was asked.",
    FAILED: "An error, which is printed; of skdxa check also, a study could not start; of skdxa "
    "predict and explain also, none of the scans could be used.",
    2: "The command line cannot be understood: an unknown option, a missing or impossible value.",
    SOME_FAILED: "Of skdxa predict and explain: some scans could not be used; the predictions "
    "for the others are written.",
    130: "Interrupted with Ctrl-C. Finished parts are kept where the command says so.",
    143: "Ended by a scheduler (SIGTERM); finished parts are kept in the same way.",
}
