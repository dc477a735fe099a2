"""The command line of the operator."""

from __future__ import annotations

import asyncio
import os
import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lvs_operator.logs import configure

__all__ = ["main"]

app = typer.Typer(
    name="lvs-operator",
    help="Admits VirtualServices, hands out VIPs, chooses directors, and tells each node its duty.\n\n"
    "Runs once per cluster, beside an lvs-agent on each node. It keeps no state of its own: all it knows is in the"
    " API server, and directors go on without it.\n\n"
    "    lvs-operator run --kubeconfig ~/.kube/config",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class LogStyle(StrEnum):
    """How log lines are written."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lvs-operator {version('lvs-operator')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take options that belong to no verb."""


@app.command()
def run(
    *,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="The API server that this file names; left out in a pod.")
    ] = None,
    log_format: Annotated[LogStyle, typer.Option(help="auto: text on a terminal, JSON elsewhere.")] = LogStyle.AUTO,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log debug messages as well.")] = False,
) -> None:
    """Watch, decide and write until SIGTERM or SIGINT.

    An API server that is not there yet, or goes away, is waited for. Needs the CRDs in deploy/crds.
    """
    configure(log_format.value, verbose=verbose)
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise typer.BadParameter("outside a pod, say where the API server is: --kubeconfig FILE")
    if kubeconfig is not None and not kubeconfig.is_file():
        raise typer.BadParameter(f"{kubeconfig} is not a file", param_hint="--kubeconfig")
    # Imported late: the Kubernetes client takes a second, which --help and a wrong option need not wait for.
    from lvs_operator.assembly import run_operator
    from lvs_operator.troubles import NoConfiguration

    try:
        asyncio.run(run_operator(kubeconfig))
    except NoConfiguration as trouble:
        typer.echo(f"lvs-operator: {trouble}", err=True)
        raise typer.Exit(1) from None


def main() -> NoReturn:
    """Run the command line."""
    app(standalone_mode=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
