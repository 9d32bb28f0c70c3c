"""A server process: one house, one journal, HTTP on an address of this machine."""

import faulthandler
import gc
import ipaddress
import logging
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import uvicorn

from outlast.bundle.predictor import open_predictor
from outlast.clock import halts
from outlast.errors import MissingExtra, OutlastError, Refused, StorageError
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
from outlast.serving.alive import Alive, close_dead, server_name
from outlast.serving.explaining import Explaining
from outlast.serving.furnishing import house_of
from outlast.serving.http.access import Extra
from outlast.serving.http.app import create_app
from outlast.serving.http.sending import Joining
from outlast.serving.keys import Keys
from outlast.serving.loading import Opener
from outlast.serving.metrics import Metrics
from outlast.serving.parts import Parts
from outlast.serving.repeats import Repeats
from outlast.serving.shadowing import Shadows
from outlast.serving.stopping import LEAVE, Announcing, Stopping, until_told
from outlast.serving.together import Together
from outlast.serving.tracing import tracing_for
from outlast.serving.workers import threads
from outlast.serving.workers.ports import listening, sharing
from outlast.serving.workers.station import Station
from outlast.types import now

if TYPE_CHECKING:
    from outlast.serving.grpc.server import GrpcServer

_ROTATE = 300.0
"""Seconds after which what was journaled can be sealed by others."""
_HALTED = 0.005
"""Seconds between two looks at a story's clock."""
_log = logging.getLogger("outlast.serving")


def serve(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    models: Collection[str] | None = None,
    ready: Callable[[str], None] | None = None,
    opener: Opener | None = None,
    extra: Extra | None = None,
) -> None:
    """Serve the live versions of a workspace until told to stop; `ready` gets the address once it answers.

    SIGTERM and SIGINT let requests under way finish, a second one does not. Addresses that other machines can reach are
    refused, as long as nobody holds a token. `opener` opens versions here at once; without it each is proven in a spare
    process first. `extra` is what else the server answers; with a port for gRPC, `ready` gets both addresses.
    """
    extra = extra or Extra()
    speaking = _speaking_grpc(extra)
    station = extra.station or Station()
    here = _loopback(host)
    stopping = Stopping(station, _leave(extra, here))
    bound = sharing if station.shared else listening
    threads.few()
    sys.setswitchinterval(0.001)  # a large request in a thread may hold up the small ones no longer than that
    if station.shared:
        faulthandler.enable()  # a worker that hangs is ended by a signal that lets it say where
    with until_told(stopping), _keys(workspace, host, here) as keys, bound(host, port) as socket_:
        station.watch(stopping.left_alone)
        address = f"http://{_shown(host)}:{socket_.getsockname()[1]}"
        with _parts(workspace, keys, models, opener, station, traced=True) as parts:
            threads.one_each()
            gc.collect()
            gc.freeze()  # what is loaded now stays: later collections need not look at it
            beside = None
            if speaking is not None:
                beside = speaking(parts, _shown(host), extra.grpc_port or 0, shared=station.shared)

            def announce() -> None:
                station.open()
                _note(parts)
                if ready:
                    ready(address if beside is None else f"{address} and {beside.address}")

            config = _config(parts, extra, stopping.drain)
            Announcing(config, announce, stopping=stopping, beside=beside).run(sockets=[socket_])


@contextmanager
def local(workspace: Workspace, *, opener: Opener = open_predictor, extra: Extra | None = None) -> Iterator[str]:
    """A server of a workspace in a thread of this process, on a free port of this machine; gives its address."""
    from threadpoolctl import threadpool_limits

    started = threading.Event()
    with ExitStack() as opened:
        opened.enter_context(threadpool_limits(1))
        keys = opened.enter_context(_keys(workspace, "127.0.0.1", here=True))
        socket_ = opened.enter_context(listening("127.0.0.1", 0))
        station = Station()
        stopping = Stopping(station, 0.0)
        parts = opened.enter_context(_parts(workspace, keys, None, opener, station))
        server = Announcing(_config(parts, extra or Extra(), stopping.drain), started.set, stopping=stopping)
        thread = threading.Thread(target=server.run, args=([socket_],), name="outlast-local", daemon=True)
        thread.start()
        try:
            while not started.wait(0.05):
                if not thread.is_alive():
                    raise StorageError("A server on 127.0.0.1 ended before it answered: the log above says why")
            yield f"http://127.0.0.1:{socket_.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _keys(workspace: Workspace, host: str, here: bool) -> Iterator[Keys]:
    """The workspace's tokens; Refused where other machines could come in and nobody holds one."""
    keys = Keys(workspace, always=not here)
    keys.look()
    if not here and not keys.any_live:
        raise Refused(
            f"Serving on '{host}' would let other machines in, and nobody holds a token to tell who they are: "
            "make one with `outlast token create NAME --role predict`, or use 127.0.0.1"
        )
    try:
        keys.start()
        yield keys
    finally:
        keys.close()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        if host in ("localhost", ""):
            return bool(host)  # nothing is every address
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        said = f"There is no address '{host[:80]}' here ({error})"
        raise StorageError(f"{said}: give one of this machine, such as 127.0.0.1") from None
    return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextmanager
def _parts(
    workspace: Workspace,
    keys: Keys,
    models: Collection[str] | None,
    opener: Opener | None,
    station: Station,
    *,
    traced: bool = False,
) -> Iterator[Parts]:
    name = server_name()
    tracing = tracing_for(name) if traced else None
    alive = Alive(workspace, name)
    metrics = Metrics(station)
    house = house_of(workspace, name, models, opener, tell=metrics.tried)
    journal = Journal(workspace)
    workers = ThreadPoolExecutor(2, "outlast-worker", initializer=threads.one_each)
    keeper = _Keeper(workspace, journal)
    shadows, repeats, explaining = (
        Shadows(journal, metrics, name),
        Repeats(workspace, metrics),
        Explaining(workspace, metrics),
    )
    try:
        together = Together(journal, metrics, name)
        metrics.traced = tracing is not None
        ingest = Ingest(workspace, journal)
        parts = Parts(
            house, journal, ingest, metrics, workers, keys, together, shadows, explaining, station, repeats, tracing
        )

        def beat() -> None:
            journal.unwritten.look()
            alive.beat()
            _note(parts)
            journal.unwritten.note(workspace.ledger, name, now())

        house.start(on_beat=beat)
        keeper.start()
        shadows.start()
        yield parts
    finally:
        keeper.stop()
        shadows.stop()
        explaining.stop()
        workers.shutdown()
        house.close()
        journal.close()
        metrics.close()
        repeats.close()
        alive.close()
        if tracing is not None:
            tracing.close()


class _Keeper:
    """Off the path of requests: closes what killed servers left open, and lets others seal what was journaled."""

    def __init__(self, workspace: Workspace, journal: Journal) -> None:
        self._workspace, self._journal = workspace, journal
        self._stop, self._halts = threading.Event(), halts()
        self._thread = threading.Thread(target=self._keep, name="outlast-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        self._try(lambda: close_dead(self._workspace))
        while self._due():
            self._try(self._journal.rotate)

    def _due(self) -> bool:
        """Wait until it is time, which in a story is whenever that is halted; False when the server stops."""
        if self._halts is None:
            return not self._stop.wait(_ROTATE)
        while not self._stop.wait(_HALTED):
            before, self._halts = self._halts, halts()
            if self._halts != before:
                return True
        return False

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OutlastError as error:
            _log.warning("%s", error)


def _note(parts: Parts) -> None:
    parts.station.note(parts.load, ready=parts.ready_here)


def _leave(extra: Extra, here: bool) -> float:
    if extra.leave is not None:
        return extra.leave
    return 0.0 if here else LEAVE


def _config(parts: Parts, extra: Extra, drain: int) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(parts, extra),
        http=Joining,
        proxy_headers=False,  # nothing here asks where a request came from
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=drain,
    )


def _speaking_grpc(extra: Extra | None) -> "type[GrpcServer] | None":
    """What speaks gRPC, where a port for it is given."""
    if extra is None or extra.grpc_port is None:
        return None
    try:
        from outlast.serving.grpc.server import GrpcServer
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("grpc", "google"):
            raise
        raise MissingExtra.of("grpc", "grpcio", "Serving over gRPC") from None
    return GrpcServer
