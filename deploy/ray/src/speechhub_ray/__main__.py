"""``speechhub-ray``: serve many hubs at one address, one for each GPU, by Ray Serve."""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import structlog

from speechhub_ray.apart import ENDS, run_apart

if TYPE_CHECKING:
    from speechhub.settings import Reading
    from speechhub_ray.cluster import Cluster

log = structlog.get_logger()

ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "speechhub_ray.proxy_errors.middlewares",
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
    "FORWARDED_ALLOW_IPS": "",
}
"""What every process of the cluster needs: no report to Ray's makers, no warning of gRPC's at each start of a
worker, errors in OpenAI's form, a lost proxy that is soon replaced, and no belief in ``X-Forwarded-For``:
uvicorn has it from 127.0.0.1."""

OWN_ENVIRONMENT: Final = {"RAY_gcs_rpc_server_reconnect_timeout_s": "10"}
"""What a cluster needs that lives as long as this command: its control service does not come back, so that no
process of Ray's shall wait a minute for it."""

JOINING_ENVIRONMENT: Final = {"RAY_NUM_REDIS_GET_RETRIES": "5"}
"""What this process needs to join a cluster: if the cluster refuses it, it says so within seconds."""
END_S: Final = 30.0
"""How long Ray may take to end, beyond the hub's ``shutdown_timeout_s``."""
SIGNALLED: Final = 128
"""What a shell adds to the number of the signal that ended a program."""
LOOK_S: Final = 1.0
"""How often the command looks whether Ray still runs."""
SAME_S: Final = 0.3
"""Signals that follow each other sooner are one: ``timeout`` signals the command, and then its group."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="speechhub-ray")
def main() -> None:
    """Serve many speechhubs at one address, one for each GPU, by Ray Serve."""


@main.command()
@click.option(
    "--replicas",
    default="auto",
    show_default=True,
    help="How many hubs. 'auto' is one for each GPU of the cluster, or one without GPUs.",
)
@click.option(
    "--gpus-per-replica",
    type=float,
    help="Whole GPUs for each hub.  [default: 1 where the cluster has GPUs, else 0]",
)
@click.option(
    "--cpus-per-replica",
    type=float,
    help="Cores for each hub and its engines.  [default: an equal share; beside a GPU, at most 2]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True),
    help="File or folder with settings, at the same path on every node.  [SPEECHHUB_CONFIG]",
)
@click.option("--host", help="Address to listen on; 0.0.0.0 for all.  [SPEECHHUB_HOST, default 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [SPEECHHUB_PORT, default 8000]")
@click.option(
    "--address",
    help="A running Ray cluster, such as 'auto' or 'ray-head:6379'. Without it, one is started here; it ends "
    "with this command.",
)
@click.option(
    "--settle-s",
    type=float,
    default=60.0,
    show_default=True,
    help="Seconds for which the work must have shifted before a hub changes between listening and speaking.",
)
@click.option("--router", help="Import path of another request router of Ray Serve, for comparisons.")
def serve(config: Path | None, host: str | None, port: int | None, address: str | None, **sizes: Any) -> None:
    """Serve the API until Ctrl-C, from as many hubs as there are GPUs.

    Requests go to the hub that has their engine loaded, so that GPUs hardly ever switch.
    See docs/cluster.md for clusters, Kubernetes and what each replica keeps to itself.

    \b
    speechhub-ray serve
    speechhub-ray serve --replicas 2 --config /etc/speechhub
    speechhub-ray serve --address auto --replicas 8 --host 0.0.0.0
    """  # noqa: D301
    from speechhub.errors import SpeechhubError

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    overrides = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        _serve(config, overrides, address, **sizes)
    except SpeechhubError as error:
        raise click.ClickException(error.message) from error


def _serve(
    config: Path | None,
    overrides: dict[str, Any],
    address: str | None,
    *,
    replicas: str,
    gpus_per_replica: float | None,
    cpus_per_replica: float | None,
    **routing: Any,
) -> None:
    from speechhub.log import configure_logging
    from speechhub.settings import read_settings

    reading = read_settings(config_file=config, current_folder=True, overrides=overrides)
    settings = reading.settings
    configure_logging(settings.log_level, settings.log_format)
    here = Path.cwd()
    if config is None and any(file.path.absolute().parent == here for file in reading.files):
        config = here  # replicas run in other folders

    from speechhub_ray.options import options_of
    from speechhub_ray.sizes import count_of, sizes_of

    count = count_of(replicas)
    given = {"gpus_per_replica": gpus_per_replica, "cpus_per_replica": cpus_per_replica, **routing}
    options_of({name: value for name, value in given.items() if value is not None})
    for name, value in (OWN_ENVIRONMENT if address is None else JOINING_ENVIRONMENT).items():
        os.environ.setdefault(name, value)
    if address is None:
        os.environ |= own_token(os.environ)
        if (
            settings.log_format == "auto" and sys.stderr.isatty()
        ):  # this terminal shows the replicas' lines too
            overrides = {**overrides, "log_format": "console"}
        run_apart()
        _check(reading)
        log.info("starting ray")
    from speechhub_ray.cluster import joined

    early = _EarlyEnd()
    try:
        cluster = early.cluster = joined(address)
        early.listen()  # Ray has set a handler of its own
        options = options_of(
            {
                **sizes_of(cluster.resources(), count=count, gpus=gpus_per_replica, cpus=cpus_per_replica),
                "config": str(config.absolute()) if config else None,
                "settings": overrides,
                **{name: value for name, value in routing.items() if value is not None},
            }
        )
        cluster.serve(options, settings)
        _until_told(cluster.lost)
        log.info("stopping")
    except SystemExit as told:  # Ray's handler while Ray starts, with the bare number
        os._exit(SIGNALLED + int(told.code or 0))
    finally:
        early.wait()
        if early.cluster is not None:
            early.cluster.end(settings.shutdown_timeout_s + END_S)
    log.info("stopped")


class _EarlyEnd:
    """Ends the process at a signal that comes before all of it serves, with the status that a shell expects.

    An exception would not do: where Ray's code calls Python's, it may be lost, or abort the process.
    """

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self._told = False
        self.listen()

    def listen(self) -> None:
        """Wait for `ENDS`, and set aside other handlers."""
        for number in ENDS:
            signal.signal(number, self._hear)

    def wait(self) -> None:
        """Wait for the end of the process if a signal came; what fails because of it is not told."""
        if self._told:
            threading.Event().wait()

    def _hear(self, number: int, frame: object) -> None:
        del frame
        self._told = True
        for each in ENDS:
            signal.signal(each, signal.SIG_DFL)  # the next one does not wait
        threading.Thread(target=self._end, args=(number,), daemon=True).start()

    def _end(self, number: int) -> None:
        log.info("stopping")
        if self.cluster is not None:
            self.cluster.abandon(END_S)
        os._exit(SIGNALLED + number)


def own_token(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which the command's own cluster has a token that no other program knows.

    Ray would write one into the home folder, which a container can only read, and keep it for all clusters.

    Args:
        environ: Nothing is returned where these variables decide about Ray's authentication.
    """
    if any(name.startswith("RAY_AUTH_") for name in environ):
        return {}
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _check(reading: "Reading") -> None:
    """Check what the hubs on this machine would, before Ray tries them several times.

    Raises:
        ConfigurationError: A setting is wrong, or the address is in use.
    """
    from speechhub.hub import Hub
    from speechhub.settings.listening import free_address

    free_address(reading.settings.host, reading.settings.port)
    Hub.assemble(reading.settings, hub_named=reading.hub_named).check()


def _until_told(lost: Callable[[], str]) -> None:
    """Return at SIGTERM or SIGINT; the next signal ends the process at once.

    Raises:
        ConfigurationError: The cluster is *lost*; the message says how.
    """
    from speechhub.errors import ConfigurationError

    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    for number in ENDS:
        signal.signal(number, signal.SIG_DFL)
    while signal.sigtimedwait(ENDS, LOOK_S) is None:
        if problem := lost():
            raise ConfigurationError(problem)
    while signal.sigtimedwait(ENDS, SAME_S) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)


if __name__ == "__main__":
    main()
