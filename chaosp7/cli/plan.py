"""``chaosp7 plan``: what an experiment would do, without doing any of it."""

from __future__ import annotations

import inspect
from typing import Any

import click
from chaoslib import substitute
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.loader import load_experiment

from chaosp7.controls import evidence
from chaosp7.errors import ConfigError
from chaosp7.run.planned import PlannedRun
from chaosp7.run.preview import preview
from chaosp7.run.resolve import resolve

__all__ = ["plan"]


@click.command()
@click.argument("experiment", type=click.Path(exists=True, dir_okay=False))
def plan(experiment: str) -> None:
    """Print what an EXPERIMENT would do, and touch nothing.

    Its platform, load and budget, and each activity in order with its arguments; of each fault what is
    injected, how it is verified, how long it lasts at most and what undoes it. Exit code 2 if it names
    something that isn't there.
    """
    try:
        content = load_experiment(experiment)
        ensure_experiment_is_valid(content)
        configuration = load_configuration(content.get("configuration") or {}, {})
    except ChaosException as error:
        raise ConfigError(f"{experiment}: {error}") from error
    arguments = substitute(_control(content), configuration, {})
    try:
        bound = inspect.signature(evidence.before_experiment_control).bind(content, **arguments)
    except TypeError as error:
        raise ConfigError(f"the evidence control: {error}") from error
    bound.apply_defaults()
    model, planned = resolve(**bound.arguments)
    # All of it first: half a plan isn't one.
    lines = list(preview(content, PlannedRun(model, planned), configuration))
    click.echo("\n".join(lines))


def _control(content: dict[str, Any]) -> dict[str, Any]:
    for control in content.get("controls") or ():
        provider = control.get("provider") or {}
        if provider.get("module") == evidence.__name__:
            arguments: dict[str, Any] = provider.get("arguments") or {}
            return arguments
    raise ConfigError(
        f"the experiment hasn't got the control {evidence.__name__!r}: nothing would be measured "
        "(see docs/tutorial.md)"
    )
