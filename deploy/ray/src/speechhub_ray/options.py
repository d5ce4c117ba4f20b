"""Arguments of the Serve application, and their checks. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from speechhub.errors import ConfigurationError

ROUTER: Final = "speechhub_ray.router.HomesRouter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Arguments of the application; a config file writes them under ``args``."""

    replicas: int = 1
    """How many hubs; with GPUs, at most one for each."""
    gpus_per_replica: int = 0
    """Whole GPUs for each hub: two hubs on one card would each believe it theirs."""
    cpus_per_replica: float = 2.0
    """Cores that Ray reserves for each hub, and the threads of its engines unless ``threads`` is set."""
    config: str | None = None
    """File or folder with settings, at the same path on every node; by default as for ``speechhub serve``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that win over all others, by name; no secrets, because Ray's state shows them."""
    router: str = ROUTER
    """Import path of the request router; only for comparison with Ray's own."""
    settle_s: float = 60.0
    """How long the work must be off before a replica gets another home."""


def options_of(args: Mapping[str, Any]) -> Options:
    """Return checked options.

    Raises:
        ConfigurationError: A name is unknown, or a value is wrong.
    """
    if unknown := set(args) - set(Options.__dataclass_fields__):
        known = ", ".join(Options.__dataclass_fields__)
        raise ConfigurationError(f"Unknown argument {', '.join(sorted(unknown))}; there are {known}.")
    given = dict(args)
    try:
        gpus = msgspec.convert(given.pop("gpus_per_replica", 0), float, strict=False)
        if not gpus.is_integer():  # nor are nan and inf
            raise ConfigurationError(
                f"gpus_per_replica is {gpus:g}: a hub needs whole GPUs. Of two hubs on one card, each would "
                "believe that all its memory is its own."
            )
        options = msgspec.convert(given | {"gpus_per_replica": int(gpus)}, Options, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"Arguments of speechhub_ray.app: {error}") from error
    least = (options.replicas - 1, options.gpus_per_replica, options.settle_s)
    if not (min(least) >= 0 and 0 < options.cpus_per_replica < math.inf and options.settle_s < math.inf):
        raise ConfigurationError(
            "replicas and cpus_per_replica must be above 0, gpus_per_replica and settle_s at least 0."
        )
    return options
