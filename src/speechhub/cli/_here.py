"""Runs a use case in this process, with the same services as the server's."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from speechhub.hub import Hub

ResultT = TypeVar("ResultT")


def run_here(work: Callable[["Hub"], Awaitable[ResultT]], *, verbose: bool) -> ResultT:
    """Run *work*, then stop its workers; *verbose* shows the log, which is otherwise silent."""
    import asyncio

    hub = open_hub(verbose=verbose)

    async def scoped() -> ResultT:
        async with closed_to_the_end(hub):
            return await work(hub)

    return asyncio.run(scoped())


@asynccontextmanager
async def closed_to_the_end(hub: AbstractAsyncContextManager[object]) -> AsyncIterator[None]:
    """Open *hub*, and close it completely: Ctrl-C while it closes takes effect after it is closed.

    Workers left half closed would end after the event loop, which then prints complaints about them. A second
    Ctrl-C does not wait: asyncio raises it at once.
    """
    import asyncio

    await hub.__aenter__()
    try:
        yield
    finally:
        closing = asyncio.ensure_future(hub.__aexit__(*sys.exc_info()))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise


def open_hub(*, verbose: bool = False, hint: bool = True, **overrides: object) -> "Hub":
    """Build the services from the settings, with *overrides* on top; nothing is started.

    With *hint*, settings files that were not read are reported.

    Raises:
        ConfigurationError: A setting is wrong, or settings and engines contradict each other.
    """
    from speechhub.cli._settings import read_own
    from speechhub.cli._terminal import coloured
    from speechhub.hub import Hub
    from speechhub.log import configure_logging

    reading = read_own(hint=hint, overrides=overrides)
    settings = reading.settings
    # Failures are also raised; the command then prints them as its one line.
    level = "debug" if settings.log_level == "debug" else "info"
    configure_logging(level if verbose else "critical", settings.log_format, coloured=coloured(sys.stderr))
    return Hub.assemble(settings, hub_named=reading.hub_named)
