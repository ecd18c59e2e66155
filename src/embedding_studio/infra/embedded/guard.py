"""Becomes a server that the kernel ends together with the process that asked for it.

Run by path and in isolation, so that it starts in milliseconds and needs no package on its path:

    python -I -S guard.py PARENT DEATH_SIGNAL (-|UID:GID) PROGRAM [ARGUMENT ...]

A program rather than a `preexec_fn`: Python code between fork and exec may hang when the parent has threads.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

__all__ = ["die_with_parent"]

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAP_SETPCAP = 8
_CAPABILITY_VERSION_3 = 0x20080522
_CapabilityHeader = ctypes.c_uint32 * 2  # version, process
_CapabilitySets = ctypes.c_uint32 * 6  # effective, permitted, inheritable; then the same for capabilities above 31

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int, death_signal: int = signal.SIGKILL) -> None:
    """Have the kernel send `death_signal` to this process when its parent ends, however it ends.

    The kernel watches the *thread* that forked this process, and forgets the request on a later change of user or on an
    exec that gains privileges; it survives every other exec and is not inherited by children.

    Args:
        parent: Process id of the parent, as the parent itself read it before it forked.
        death_signal: What the kernel sends.

    Raises:
        ProcessLookupError: The parent ended before the kernel could be asked.
    """
    _prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        raise ProcessLookupError(f"the parent, process {parent}, is gone")


def _prctl(option: int, *arguments: int) -> None:
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(option, *words))


def _checked(status: int) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _become(user: int, group: int, places: tuple[str, ...]) -> None:
    """Drop root; keep the right to look into folders only if one of `places` is out of the new user's reach."""
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    unreachable = [place for place in places if not os.access(place, os.R_OK | os.X_OK)]
    if unreachable:
        _keep_one_capability(user, unreachable[0])


def _keep_one_capability(user: int, place: str) -> None:
    """Carry one file capability over the coming exec, as an ambient one; the exec drops every other.

    Reading and searching is enough; containers often withhold that one and grant the wider override.
    The secure bit has access(2), by which PostgreSQL examines its own programs, count the capability too.
    """
    permitted = _permitted_capabilities()
    kept = next((one for one in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if permitted >> one & 1), None)
    if kept is None or not permitted >> _CAP_SETPCAP & 1:
        raise PermissionError(f"user {user} may not enter {place}, and root here lacks the capabilities to let it")
    _set_capabilities(1 << _CAP_SETPCAP | 1 << kept)
    _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    _set_capabilities(1 << kept)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, kept)


def _permitted_capabilities() -> int:
    """A bit for each of the first 32, which are all that matter here."""
    sets = _CapabilitySets()
    _checked(_libc.capget(_CapabilityHeader(_CAPABILITY_VERSION_3, 0), sets))
    return sets[1]


def _set_capabilities(bits: int) -> None:
    """Make these the effective, the permitted and the inheritable ones, and no others."""
    _checked(_libc.capset(_CapabilityHeader(_CAPABILITY_VERSION_3, 0), _CapabilitySets(bits, bits, bits)))


def _main(parent: str, death_signal: str, user: str, *argv: str) -> None:
    try:
        if user != "-":
            uid, gid = user.split(":")
            _become(int(uid), int(gid), (argv[0], str(Path.cwd())))
        die_with_parent(int(parent), int(death_signal))
        os.execv(argv[0], argv)  # noqa: S606 -- becoming the server is the point; no shell is wanted
    except OSError as error:
        sys.exit(f"{argv[0]} was not started: {error}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
