"""Attaching to, starting and stopping the server of a folder; all of it while the folder is held for opening.

The rule: a server is started only under its own lock, so never beside a living one, whatever the address file says.
"""

from collections.abc import Mapping

from redis.exceptions import RedisError

from tilefold.stores.address import Address
from tilefold.stores.embedded_home import Home
from tilefold.stores.embedded_process import Answer, Child, control, spawn, wait_until_ready
from tilefold.stores.locks import SharedLock

_EXIT_TIMEOUT_S = 60.0
_ATTEMPTS = 5
_PORT_TAKEN = "Address already in use"


def attach_or_start(home: Home, config: Mapping[str, str]) -> tuple[Address, Child | None]:
    """The address of a server that answers, and its process if it was started here."""
    lock = home.server_lock()
    while not lock.take():
        if (address := _attach(home, lock)) is not None:
            return address, None
    try:
        return _start(home, config, lock)
    except BaseException:
        lock.let_go()
        raise


def stop(home: Home) -> None:
    """Let the server write out and exit; return when it has."""
    lock = home.server_lock()
    if lock.take():  # it had ended by itself
        lock.let_go()
        return
    with control(home.living_address()) as client:
        try:
            client.shutdown(nosave=True)
        except RedisError as error:
            raise home.unusable("it refuses to stop") from error
    if not lock.wait(_EXIT_TIMEOUT_S):
        raise home.unusable(f"it did not stop within {_EXIT_TIMEOUT_S:g} s")
    lock.let_go()


def _attach(home: Home, lock: SharedLock) -> Address | None:
    """The address of the living server, or None where it went away meanwhile."""
    address = home.living_address()
    if wait_until_ready(address, lock.held_elsewhere) is Answer.READY:
        return address
    if lock.held_elsewhere():
        raise home.unusable(f"it does not answer on port {address.port}")
    return None


def _start(home: Home, config: Mapping[str, str], lock: SharedLock) -> tuple[Address, Child]:
    """A server that answers and holds `lock`, where the last one listened if that port is free."""
    address = Address.read(home.address_file) or Address.fresh()
    for _ in range(_ATTEMPTS):
        if not address.bindable():
            address = Address.fresh()
        address.write(home.address_file)
        process = spawn(home, address, config, lock.file)
        if _comes_up(process, address):
            lock.leave_to_child()
            return address, process
        if _PORT_TAKEN not in home.log_tail():
            break
    raise home.not_started()


def _comes_up(process: Child, address: Address) -> bool:
    """Whether the started server gets ready; if not, it has ended when this returns or raises."""
    ready = False
    try:
        ready = wait_until_ready(address, lambda: process.poll() is None) is Answer.READY and process.poll() is None
    finally:
        if not ready:
            process.kill()
            process.wait()
    return ready
