"""Sizes of hubs: how many fit on a cluster, and what each of them gets. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from speechhub.errors import ConfigurationError

AUTO: Final = "auto"
CPUS: Final = 2.0
"""Cores for each hub with a GPU, where there are enough; without one, it gets an equal share of all."""
LEAST_CPUS: Final = 0.25
"""Fewer cores for a hub are not dealt out unasked: it would start for minutes, and answer hardly anything."""


def count_of(replicas: str) -> int | None:
    """Return the number that *replicas* is; None for `AUTO`.

    Raises:
        ConfigurationError: It is neither.
    """
    if replicas == AUTO:
        return None
    if replicas.isascii() and replicas.isdecimal() and int(replicas) > 0:
        return int(replicas)
    raise ConfigurationError(f"--replicas is {replicas!r}: write a number above 0, or auto.")


def sizes_of(
    has: Mapping[str, float], *, count: int | None, gpus: float | None, cpus: float | None
) -> dict[str, Any]:
    """Return how many hubs there will be and what each gets, as arguments of the application.

    Args:
        has: What the cluster has, by Ray's names ``CPU`` and ``GPU``.
        count: Number of hubs; None for one for each GPU, or one.
        gpus: GPUs for each; None for one where there are any.
        cpus: Cores for each; None for an equal share, beside a GPU up to `CPUS`.

    Raises:
        ConfigurationError: The cluster does not have so much.
    """
    all_gpus, all_cpus = has.get("GPU", 0.0), has.get("CPU", 0.0)
    each_gpus = gpus if gpus is not None else float(all_gpus >= 1)
    if count is None:
        count = max(1, int(all_gpus // each_gpus)) if each_gpus > 0 else 1
    if each_gpus * count > all_gpus:
        raise ConfigurationError(
            f"{count} × {each_gpus:g} GPUs are needed, and the cluster has {all_gpus:g}. "  # noqa: RUF001
            "Take fewer --replicas, or --gpus-per-replica 0 to serve from the CPU."
        )
    most = CPUS if each_gpus > 0 else all_cpus
    each_cpus = cpus if cpus is not None else max(LEAST_CPUS, min(most, all_cpus / count))
    if each_cpus * count > all_cpus:
        raise ConfigurationError(
            f"{count} × {each_cpus:g} cores are needed, and the cluster has {all_cpus:g}. "  # noqa: RUF001
            "Take fewer --replicas, or a smaller --cpus-per-replica."
        )
    return {"replicas": count, "gpus_per_replica": each_gpus, "cpus_per_replica": each_cpus}
