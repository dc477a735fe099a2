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

from lvs_api.fields import seconds
from lvs_common.listen import CannotListen, Listen, parse_listen
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


Kubeconfig = Annotated[Path | None, typer.Option(help="The API server that this file names; left out in a pod.")]


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
    kubeconfig: Kubeconfig = None,
    listen: Annotated[
        str | None,
        typer.Option(envvar="LVS_LISTEN", help="Serve /healthz, /readyz and /metrics at this ADDRESS:PORT, or :PORT."),
    ] = None,
    log_format: Annotated[LogStyle, typer.Option(help="auto: text on a terminal, JSON elsewhere.")] = LogStyle.AUTO,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log debug messages as well.")] = False,
) -> None:
    """Watch, decide and write until SIGTERM or SIGINT.

    An API server that is not there yet, or goes away, is waited for. Needs the CRDs in deploy/crds.
    """
    configure(log_format.value, verbose=verbose)
    _require_source(kubeconfig)
    where = _where(listen)
    # Imported late: the Kubernetes client takes a second, which --help and a wrong option need not wait for.
    from lvs_operator.assembly import run_operator
    from lvs_operator.troubles import NoConfiguration

    try:
        asyncio.run(run_operator(kubeconfig, where))
    except (NoConfiguration, CannotListen) as trouble:
        typer.echo(f"lvs-operator: {trouble}", err=True)
        raise typer.Exit(1) from None


def _where(listen: str | None) -> Listen | None:
    try:
        return parse_listen(listen) if listen else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from None


def _duration(text: str) -> float:
    try:
        return float(text) if text.isdigit() else seconds(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; a number alone is seconds") from None


@app.command()
def retire(
    *,
    kubeconfig: Kubeconfig = None,
    namespace: Annotated[str, typer.Option(help="Where the operator's Deployment is.")] = "lvs-system",
    deployment: Annotated[
        str, typer.Option(help="The operator's Deployment, to be stopped; LVSNodes stay if it is left out.")
    ] = "",
    timeout: Annotated[
        float, typer.Option(parser=_duration, metavar="DURATION", help="How long to go on, such as 90s or 4m.")
    ] = "5m",  # type: ignore[assignment] # its parser reads this as well
) -> None:
    """Have every node undo what its agent did, stop the operator, delete the LVSNodes: before uninstalling.

    Prints how far the nodes are. Ends with 1 if a node is not clean in time; run it again to go on.
    """
    configure("auto", verbose=False)
    _require_source(kubeconfig)
    from lvs_operator.retire import NotRetired
    from lvs_operator.retire import retire as retire_all
    from lvs_operator.troubles import NoConfiguration

    place = (namespace, deployment) if deployment else None
    try:
        asyncio.run(retire_all(kubeconfig, place, timeout, lambda line: print(line, flush=True)))
    except (NoConfiguration, NotRetired) as trouble:
        typer.echo(f"lvs-operator: {trouble}", err=True)
        raise typer.Exit(1) from None


def _require_source(kubeconfig: Path | None) -> None:
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise typer.BadParameter("outside a pod, say where the API server is: --kubeconfig FILE")
    if kubeconfig is not None and not kubeconfig.is_file():
        raise typer.BadParameter(f"{kubeconfig} is not a file", param_hint="--kubeconfig")


def main() -> NoReturn:
    """Run the command line."""
    app(standalone_mode=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
