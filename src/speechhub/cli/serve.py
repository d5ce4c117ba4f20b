"""``speechhub serve``."""

import sys
from pathlib import Path
from typing import Any

import click


@click.command(short_help="Serve the API until Ctrl-C.")
@click.option("--host", help="Address to listen on; 0.0.0.0 for all.  [SPEECHHUB_HOST, default 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 for a free one.  [SPEECHHUB_PORT, default 8000]")
@click.option(
    "--config", type=click.Path(path_type=Path), help="TOML file with settings.  [SPEECHHUB_CONFIG]"
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="How much to log.  [SPEECHHUB_LOG_LEVEL, default info]",
)
def serve(config: Path | None, **options: Any) -> None:
    """Serve the API until Ctrl-C.

    \b
    speechhub serve
    speechhub serve --host 0.0.0.0 --port 9000

    \b
    Then, from anywhere:
      curl http://127.0.0.1:8000/v1/audio/speech -H 'Content-Type: application/json' \\
        -d '{"model": "tts-1", "voice": "alloy", "input": "Hello"}' -o hello.mp3
      curl http://127.0.0.1:8000/v1/audio/transcriptions -F model=whisper-1 -F file=@hello.mp3

    OpenAI's clients work with base_url=http://127.0.0.1:8000/v1 and any api_key.
    """  # noqa: D301
    import uvloop

    from speechhub.cli._terminal import coloured
    from speechhub.http.app import create_app
    from speechhub.http.server import serve as serve_app
    from speechhub.log import configure_logging
    from speechhub.services.hub import Hub
    from speechhub.settings import load_settings

    overrides = {name: value for name, value in options.items() if value is not None}
    settings = load_settings(config_file=config, overrides=overrides)
    configure_logging(settings.log_level, settings.log_format, coloured=coloured(sys.stderr))
    hub = Hub.assemble(settings)
    hub.check()
    uvloop.run(serve_app(create_app(settings, hub), hub, settings))
