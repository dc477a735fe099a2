"""The command line of the agent: run, plan, show and cleanup."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from lvs_agent.errors import AgentError
from lvs_agent.kernel.errors import KernelError
from lvs_agent.logs import configure
from lvs_agent.origin import Origin
from lvs_common.listen import CannotListen, Listen, parse_listen

__all__ = ["main"]

app = typer.Typer(
    name="lvs-agent",
    help="Makes this node's kernel match VirtualServices: IPVS tables on directors, VIPs and ARP settings on real"
    " servers.\n\nObjects come from an API server, or from YAML files where there is no Kubernetes:\n\n"
    "    lvs-agent run --manifests /etc/lvs --node $(hostname)",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Output(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


class LogStyle(StrEnum):
    """How log lines are written."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


Manifests = Annotated[
    Path | None,
    typer.Option(help="Read objects from this file or folder of YAML or JSON; a changed file is picked up."),
]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="Read objects from the API server this file names; left out in a pod.")
]
Unused = Annotated[Path | None, typer.Option(help="Not needed here; taken so that one set of options serves all.")]
NodeName = Annotated[
    str,
    typer.Option(envvar="NODE_NAME", help="Name of this node, as in DirectorPool.spec.nodeNames or of its Node."),
]
StateDir = Annotated[Path, typer.Option(help="Where the ledger of what this agent owns is kept.")]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="Text for people or JSON for programs.")]
LogFormat = Annotated[LogStyle, typer.Option(help="auto: text on a terminal, JSON elsewhere.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log debug messages as well.")]
Adopt = Annotated[
    bool, typer.Option("--adopt", help="Take over services that are in the IPVS table already where ours shall be.")
]

_NODE = socket.gethostname()
_STATE_DIR = Path("/var/lib/lvs-operator")


@app.command()
def run(
    *,
    manifests: Manifests = None,
    kubeconfig: Kubeconfig = None,
    node: NodeName = _NODE,
    state_dir: StateDir = _STATE_DIR,
    adopt: Adopt = False,
    resync: Annotated[float, typer.Option(min=1, help="Seconds between full comparisons with the kernel.")] = 60.0,
    listen: Annotated[
        str | None,
        typer.Option(envvar="LVS_LISTEN", help="Serve /healthz, /readyz and /metrics at this ADDRESS:PORT, or :PORT."),
    ] = None,
    log_format: LogFormat = LogStyle.AUTO,
    verbose: Verbose = False,
) -> None:
    """Make the kernel match and keep it so, until SIGTERM or SIGINT; the kernel is then left as it is."""
    from lvs_agent.assembly import run_agent

    configure(log_format.value, verbose=verbose)
    origin, where = _origin(manifests, kubeconfig, node), _where(listen)
    _until_signal(run_agent(origin, state_dir, adopt=adopt, resync=resync, listen=where))


@app.command()
def plan(
    *,
    manifests: Manifests = None,
    kubeconfig: Kubeconfig = None,
    node: NodeName = _NODE,
    state_dir: StateDir = _STATE_DIR,
    adopt: Adopt = False,
    output: OutputFormat = Output.TEXT,
    verbose: Verbose = False,
) -> None:
    """Print the operations that would make the kernel match, in their order, and touch nothing.

    A new real server with a health check shows weight 0: it gets its weight with the first passed check.
    """
    from lvs_agent.assembly import make_plan

    configure("auto", verbose=verbose)
    found = make_plan(_origin(manifests, kubeconfig, node), state_dir, adopt=adopt)
    _print(found, found.as_text(), output)
    if found.problems:
        raise typer.Exit(1)


@app.command()
def show(*, node: NodeName = _NODE, state_dir: StateDir = _STATE_DIR, output: OutputFormat = Output.TEXT) -> None:
    """Show the IPVS table with connection counts, and which VirtualService each service belongs to."""
    from lvs_agent.assembly import look
    from lvs_agent.table import as_text

    found = look(node, state_dir)
    _print(found, as_text(found), output)


@app.command()
def cleanup(
    *,
    manifests: Unused = None,  # noqa: ARG001 - one set of options serves every verb
    kubeconfig: Unused = None,  # noqa: ARG001
    node: NodeName = _NODE,  # noqa: ARG001
    state_dir: StateDir = _STATE_DIR,
    output: OutputFormat = Output.TEXT,
) -> None:
    """Remove all that the ledger says is ours, and nothing else; settings get their old values back.

    The agent must not be running on this state directory.
    """
    from lvs_agent.assembly import clean_up

    done = clean_up(state_dir)
    _print(done, done.as_text(), output)
    if done.problems:
        raise typer.Exit(1)


def _origin(manifests: Path | None, kubeconfig: Path | None, node: str) -> Origin:
    if manifests is not None and kubeconfig is not None:
        raise typer.BadParameter("give --manifests or --kubeconfig, not both")
    if manifests is not None and not manifests.exists():
        raise typer.BadParameter(f"{manifests} is neither a file nor a folder", param_hint="--manifests")
    if manifests is None and kubeconfig is None and "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise typer.BadParameter("outside a pod, say where objects come from: --manifests PATH or --kubeconfig FILE")
    return Origin(manifests=manifests, kubeconfig=kubeconfig, node=node)


def _where(listen: str | None) -> Listen | None:
    try:
        return parse_listen(listen) if listen else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--listen") from None


def _print(found: msgspec.Struct, text: str, output: Output) -> None:
    typer.echo(msgspec.json.encode(found).decode() if output is Output.JSON else text)


def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Run until the work ends or a signal asks for the end."""

    async def supervised() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    asyncio.run(supervised())


def main() -> NoReturn:
    """Run the command line; errors that have an explanation are one line, exit code 1."""
    try:
        app(standalone_mode=True)
    except (AgentError, KernelError, CannotListen) as error:
        _explain(error)
    except ExceptionGroup as group:
        explained = group.subgroup((AgentError, KernelError))
        if explained is None:
            raise
        _explain(*_leaves(explained))
    sys.exit(0)


def _explain(*errors: Exception) -> NoReturn:
    for error in errors:
        typer.echo(f"lvs-agent: {error}", err=True)
    sys.exit(1)


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    """Return the errors in a group and the groups in it."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    main()
