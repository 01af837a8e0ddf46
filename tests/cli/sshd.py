"""A board to reach over ssh: this machine's own sshd on a port of its own, with keys made for the test.

It runs as whoever runs the tests and lets nobody else in. Its temporary folder is one that a test can look into.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

PROGRAMS = ":/usr/sbin:/usr/local/sbin:/usr/bin:/bin"


@dataclass(frozen=True)
class Sshd:
    """A running sshd: `folder` has its keys, `temporary` is what TMPDIR is there."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def address(self) -> str:
        return f"{getuser()}@127.0.0.1:{self.port}"

    def left(self) -> list[str]:
        """What lies in its temporary folder."""
        return sorted(path.name for path in self.temporary.iterdir())

    def sessions(self) -> list[int]:
        """The processes of its connections."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in children.read_text().split()]


def missing() -> str:
    """Why there can be no such board here, or nothing."""
    for program in ("sshd", "ssh", "ssh-keygen"):
        if shutil.which(program) is None and shutil.which(program, path=PROGRAMS) is None:
            return f"no {program} on this machine (apt-get install openssh-server openssh-client)"
    return "" if sys.platform == "linux" else "needs Linux's /proc"


def start(folder: Path) -> Sshd:
    """An sshd that listens; its client's configuration is `folder/ssh_config`."""
    for name in ("host", "user", "stranger"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(keygen, check=True, timeout=60)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    (folder / "tmp").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    write_client(folder, folder / "user")
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PermitRootLogin yes\nAllowUsers {getuser()}\nSetEnv TMPDIR={folder / 'tmp'} OMP_NUM_THREADS=1\n"
    )
    if getuser() == "root":
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what sshd asks of root
    program = shutil.which("sshd") or shutil.which("sshd", path=PROGRAMS)
    log = (folder / "log").open("wb")
    with log:
        process = subprocess.Popen([str(program), "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    return _listening(Sshd(folder, port, process))


def write_client(folder: Path, key: Path, known: str = "known") -> None:
    """What ssh is told here: nothing of the user's own configuration, agent or keys."""
    (folder / "ssh_config").write_text(
        f"IdentityFile {key}\nIdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile {folder / known}\n"
        "GlobalKnownHostsFile none\nStrictHostKeyChecking ask\n"
    )


def _listening(board: Sshd) -> Sshd:
    until = time.monotonic() + 30
    while time.monotonic() < until and board.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", board.port), 1).close()
            return board
        except OSError:
            time.sleep(0.05)
    board.process.kill()
    board.process.wait()
    raise RuntimeError(f"sshd does not listen: {(board.folder / 'log').read_text()}")


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"not in a minute: {what}"
        time.sleep(0.05)
