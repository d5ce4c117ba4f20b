"""The Ray cluster: joined or started, what fits on it, and the hubs on it from their start to their end."""

import logging
import os
import shutil
import socket
import threading
import time
from typing import Any, Final

import ray
import structlog
from ray import serve
from ray.exceptions import RayError
from ray.serve.context import _get_global_client

from speechhub.errors import ConfigurationError
from speechhub.settings import Settings
from speechhub.settings.hosts import reachable_url
from speechhub_ray.app import NAME, build
from speechhub_ray.options import Options

log = structlog.get_logger()

OBJECT_STORE_BYTES: Final = 150_000_000
"""Ray's shared memory: requests do not use it, and Ray takes no less than half of this."""
LOOK_S: Final = 0.5
"""How often is looked whether Ray still runs while the hubs end."""
REACH_S: Final = 5.0
"""How long a cluster's control service may take to accept a connection."""


class Cluster:
    """A Ray cluster that this process is connected to."""

    def __init__(self, *, own: bool) -> None:
        """Take the cluster that Ray is connected to.

        Args:
            own: Whether this process started it, on this machine alone.
        """
        self._own = own
        self._serving = False
        self._leaving = False
        """Whether Ray's processes end, because this one has nothing more to ask of them."""

    def resources(self) -> dict[str, float]:
        """Return what the cluster has, by Ray's names."""
        found: dict[str, float] = ray.cluster_resources()
        return found

    def serve(self, options: Options, settings: Settings) -> None:
        """Start the hubs and the proxies; return when all serve.

        Raises:
            ConfigurationError: The address is in use, Serve listens at another one already, or the hubs did
                not start; the message says why.
        """
        try:
            serve.start(
                proxy_location="HeadOnly" if self._own else "EveryNode",
                http_options={"host": settings.host, "port": settings.port},
                logging_config={"log_level": "WARNING", "enable_access_log": False},
            )
        except (RuntimeError, RayError) as error:
            raise ConfigurationError(
                f"Ray Serve does not listen on {settings.host}:{settings.port}; perhaps another does: "
                f"{str(error).splitlines()[-1]}"
            ) from error
        has = _get_global_client().http_config
        if (has.host, has.port) != (settings.host, settings.port):
            raise ConfigurationError(
                f"Ray Serve listens on {has.host}:{has.port} in this cluster already, and keeps to that. "
                "Take this address, or end Serve and all that it serves with `serve shutdown`."
            )
        if NAME in serve.status().applications:
            log.warning("the cluster serves hubs already: this command replaces them, and they end with it")
        self._serving = True
        try:
            serve.run(build(options), name=NAME, route_prefix="/")
        except (RuntimeError, RayError) as error:
            raise ConfigurationError(f"The hubs did not start: {_reason() or error}") from error
        log.info(
            "listening",
            url=reachable_url(settings.host, settings.port),
            replicas=options.replicas,
            gpus_per_replica=options.gpus_per_replica,
        )

    def lost(self) -> str:
        """Return what is wrong with a cluster that this process started; empty if all its processes run."""
        dead = _own_node().dead_processes() if self._own else []
        return f"Ray ended: {', '.join(kind for kind, _ in dead)}. Start again." if dead else ""

    def end(self, within_s: float) -> None:
        """End the hubs, and then what was started of Ray; running requests are answered before.

        Args:
            within_s: How long that may take; what is left then is killed.
        """
        ending = threading.Thread(target=self._end, daemon=True)
        ending.start()
        end_at = time.monotonic() + within_s
        problem = ""
        while ending.is_alive() and not problem and time.monotonic() < end_at:
            ending.join(LOOK_S)
            problem = "" if self._leaving else self.lost()
        if ending.is_alive():
            log.error("Ray is killed", reason=problem or f"it did not end within {within_s:g} s")
            if self._own:
                _own_node().kill_all_processes(check_alive=False, allow_graceful=False)
            os._exit(1)  # its threads would keep this process

    def abandon(self, within_s: float) -> None:
        """End what was started of Ray, before all hubs serve: nothing has to be answered.

        Args:
            within_s: As for `end`, which takes the hubs out of a cluster of others.
        """
        if not self._own:
            self.end(within_s)
            return
        node = _own_node()
        node.kill_all_processes(check_alive=False, allow_graceful=False)
        shutil.rmtree(node.get_session_dir_path(), ignore_errors=True)

    def _end(self) -> None:
        if self._serving:
            _delete()
        # Without `serve.shutdown`: its controller ends itself during that call, and Ray reports a fault.
        self._leaving = True
        folder = _own_node().get_session_dir_path() if self._own else None
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)  # logs and sockets; each start makes another


def _delete() -> None:
    """End the hubs; return when they have ended, however long their requests take."""
    while True:
        try:
            serve.delete(NAME)
        except TimeoutError:  # Serve waits for a minute at most
            continue
        return


def _own_node() -> Any:
    """Return what Ray runs in and below this process; nothing public in Ray 2.60 tells of its end."""
    return ray._private.worker._global_node  # noqa: SLF001


def _reason() -> str:
    """Return what Serve says about the deployment; empty if it says nothing."""
    application = serve.status().applications.get(NAME)
    deployments = application.deployments.values() if application else ()
    return " ".join(deployment.message for deployment in deployments).strip()


def joined(address: str | None) -> Cluster:
    """Connect to the cluster at *address*; without one, start one on this machine.

    Raises:
        ConfigurationError: There is no cluster at *address*, or none can be started.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # the command says itself what it does
    if address is not None:
        _reach(address)
    try:
        if address is None:
            ray.init(include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, logging_level="warning")
        else:
            ray.init(address=address, logging_level="warning")
    except (OSError, ValueError, RuntimeError, RayError) as error:  # Ray has no class for what is wrong
        if address is None:
            raise ConfigurationError(
                f"Ray does not start: {error}. It must be able to write to /tmp, or to another folder with a "
                "short path that RAY_TMPDIR names."
            ) from error
        raise ConfigurationError(
            f"Cannot join a Ray cluster at {address!r}: {error}. Check with `ray status` that it runs, and "
            "that RAY_AUTH_MODE and the token are the same here as there. The cluster that another "
            "`speechhub-ray serve` has started has a token of its own: it cannot be joined."
        ) from error
    return Cluster(own=address is None)


def _reach(address: str) -> None:
    """Check that something listens at *address*, before Ray tries it for ten minutes.

    Raises:
        ConfigurationError: Nothing does.
    """
    host, _, port = address.rpartition(":")
    if "://" in address or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"There is no Ray cluster at {address!r}: {error}. Start one there with `ray start --head`, or "
            "leave --address out to serve from this machine alone."
        ) from error
