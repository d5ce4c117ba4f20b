"""``speechhub serve``."""

import sys
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from speechhub.settings import Reading

WEIGHTY: Final = ("home", "hf_endpoint", "model_hub", "modelscope_endpoint", "mirror")
"""Settings that decide where programs and models come from; the log names each with its origin."""


@click.command(short_help="Serve the API until Ctrl-C.")
@click.option("--host", help="Address to listen on; 0.0.0.0 for all.  [SPEECHHUB_HOST, default 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 for a free one.  [SPEECHHUB_PORT, default 8000]")
@click.option(
    "--wyoming-port",
    type=int,
    help="Port for Home Assistant's protocol, Wyoming; 10300 is usual, 0 opens none.  "
    "[SPEECHHUB_WYOMING_PORT, default 0]",
)
@click.option(
    "--wyoming-host",
    help="Address to listen on for Wyoming; 0.0.0.0 for all.  "
    "[SPEECHHUB_WYOMING_HOST, default that of --host]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="How much to log.  [SPEECHHUB_LOG_LEVEL, default info]",
)
@click.option(
    "--gpu", is_flag=True, help="Set up this machine's GPU first, as 'speechhub setup' does; serve from it."
)
@click.option("-y", "--yes", is_flag=True, help="With --gpu: do not ask for confirmation.")
@click.option("--accept-license", is_flag=True, help="With --gpu: accept the licences of the models.")
def serve(gpu: bool, yes: bool, accept_license: bool, **options: Any) -> None:
    """Serve the API until Ctrl-C.

    With --gpu, the engines and models that suit this machine's GPU are first installed and fetched, unless
    they are already there. They become the defaults, unless the settings name others. See
    'speechhub setup --help'.

    With --wyoming-port, Home Assistant can use the server: add the integration "Wyoming Protocol" there, with
    this machine's address and the port. The protocol has neither keys nor encryption, so let only Home
    Assistant reach the port.

    Settings also come from speechhub.toml and .env in the current folder, if they belong to you or root and
    no other user can write them; the log says which files were read.

    \b
    speechhub serve
    speechhub serve --host 0.0.0.0 --port 9000
    speechhub serve --gpu
    speechhub serve --wyoming-port 10300 --wyoming-host 0.0.0.0

    \b
    Then, from anywhere:
      curl http://127.0.0.1:8000/v1/audio/speech -H 'Content-Type: application/json' \\
        -d '{"model": "tts-1", "voice": "alloy", "input": "Hello"}' -o hello.mp3
      curl http://127.0.0.1:8000/v1/audio/transcriptions -F model=whisper-1 -F file=@hello.mp3

    OpenAI's clients work with base_url=http://127.0.0.1:8000/v1 and any api_key.
    """  # noqa: D301
    import uvloop

    from speechhub.cli._settings import read_own
    from speechhub.cli._terminal import coloured
    from speechhub.hub import Hub
    from speechhub.log import configure_logging
    from speechhub.server.process import run

    overrides = {name: value for name, value in options.items() if value is not None}
    reading = read_own(current_folder=True, hint=False, overrides=overrides)
    if gpu:
        overrides |= _prepare_gpu(reading, yes=yes, accept_license=accept_license)
        reading = read_own(current_folder=True, hint=False, overrides=overrides)
    elif yes or accept_license:
        raise click.UsageError("--yes and --accept-license need --gpu.")
    settings = reading.settings
    configure_logging(settings.log_level, settings.log_format, coloured=coloured(sys.stderr))
    log_reading(reading)
    hub = Hub.assemble(settings, hub_named=reading.hub_named)
    hub.check()
    uvloop.run(run(hub))


def _prepare_gpu(reading: "Reading", *, yes: bool, accept_license: bool) -> dict[str, object]:
    """Set up the GPU; return the settings that make its models the defaults, unless the operator chose some.

    Raises:
        ConfigurationError: There is no GPU.
    """
    from speechhub.cli._setting_up import Answers, set_up
    from speechhub.errors import ConfigurationError

    plan = set_up(reading, Answers(yes=yes, accept_license=accept_license))
    if plan is None:
        raise ConfigurationError("There is no GPU to use. Without --gpu the server uses the CPU.")
    own = {slot: f"{slot.value}_model" for slot in plan.defaults}
    return {
        own[slot]: model
        for slot, model in plan.defaults.items()
        if getattr(reading.settings, own[slot]) is None
    }


def log_reading(reading: "Reading") -> None:
    """Log which files were read and which were not, and the origin of settings that decide what code runs."""
    import re

    import structlog

    log = structlog.get_logger()
    for file in reading.files:
        log.info("settings were read", file=str(file.path.absolute()))
        if file.remark:
            log.warning("a file with settings is not safe", file=str(file.path), problem=file.remark)
    for one in reading.ignored:
        log.warning("settings were not read", file=str(one.path.absolute()), problem=one.text)
    values = {name: getattr(reading.settings, name) for name in WEIGHTY if name in reading.origins}
    for name, value in values.items():
        shown = re.sub(r"://[^/\s@]+@", "://", str(value))
        log.info("a setting in effect", setting=name, value=shown, origin=reading.origins[name])
    if names := sorted(reading.settings.engines):
        log.info("options of engines in effect", engines=names, origin=reading.origins["engines"])
