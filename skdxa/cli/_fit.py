"""The command `skdxa fit`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from skdxa.cli._options import (
    CheckpointOption,
    ConfigOption,
    JobsOption,
    OverwriteOption,
    Reading,
    TableArgument,
    Training,
    check_new,
    check_writable,
    intervals_in_words,
    read_protocol,
    training_jobs,
)


def fit(
    table: TableArgument,
    target: Annotated[str, typer.Option(help="Column of labels, by the table's name or skdxa's.")],
    out: Annotated[Path, typer.Option(help="Model file to write, such as scoliosis.skdxa.")],
    reading: Reading,
    training: Training,
    config: ConfigOption = None,
    rule: Annotated[
        str,
        typer.Option(
            help="How the threshold is chosen on out-of-fold scores: fixed (0.5), youden, "
            "sensitivity (reached on these scores), guaranteed (among new patients)."
        ),
    ] = "fixed",
    sensitivity: Annotated[
        float, typer.Option(help="Sensitivity that the last two rules reach.")
    ] = 0.9,
    confidence: Annotated[float, typer.Option(help="Confidence of the rule 'guaranteed'.")] = 0.95,
    evaluation: Annotated[
        bool, typer.Option(help="Cross-validate first, to assess the predictions.")
    ] = True,
    final: Annotated[
        str,
        typer.Option(
            help="The model that predicts: folds (the mean of the cross-validated networks, "
            "for which calls hold, and with several --repeats the threshold), refit (one network "
            "fitted to all scans: a smaller file)."
        ),
    ] = "folds",
    jobs: JobsOption = None,
    checkpoint: CheckpointOption = None,
    overwrite: OverwriteOption = False,
):
    """Cross-validate the paper's network, and write a model for new scans to a file."""
    check_new(out, overwrite)
    check_writable(out)
    from skdxa.evaluation import format_table, performance_table
    from skdxa.persistence import model_card, save_model
    from skdxa.study import fit_model

    chosen = read_protocol(config, asdict(training), targets=[target], column=reading.column)
    # Named as in the table.
    target = chosen.columns.get(chosen.targets[0], chosen.targets[0])
    protocol = chosen.with_changes(targets=[target])
    patients = reading.load(table, [target], width=protocol.width, jobs=jobs)
    typer.echo(patients.DESCR)
    fitted = fit_model(
        protocol,
        patients,
        rule=rule,
        sensitivity=sensitivity,
        confidence=confidence,
        evaluate=evaluation,
        final=final,
        checkpoint=checkpoint,
        n_jobs=training_jobs(jobs, protocol),
        report=typer.echo,
    )
    if fitted.result is not None:
        performance = performance_table(
            {target: fitted.result}, threshold=fitted.threshold, interval=protocol.interval
        )
        typer.echo(
            "\nOut of fold, each scan by the networks that were not trained on it. "
            f"{intervals_in_words(protocol.stated_interval)}\n"
        )
        typer.echo(format_table(performance, to="text"))
        if final == "folds":
            typer.echo(
                "\nNew scans get the mean over the networks of the folds, whose sensitivity and "
                "specificity at the threshold differ somewhat from these."
            )
    card = model_card(
        fitted.model,
        result=fitted.result,
        title=f"{target.replace('_', ' ').capitalize()}, lumbar spine DXA",
        data=patients.DESCR,
    )
    save_model(fitted.model, out, card=card, data=fitted.data)
    typer.echo(
        f"\nWritten to {out}. Positive is a probability of at least {fitted.threshold:.3g}. "
        "Research software; not for diagnosis or treatment."
    )
