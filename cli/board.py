"""A board, reached by the system's ssh: its address, one connection to a Python there, and why there is none.

Nothing of ours meets the shell there but the name of that Python, quoted: the program that runs comes on its stdin, and
so does everything else. One connection: ssh authenticates once, and where it breaks, the board's end notices.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO

from ..devices.errors import BudgetError, EngineUnavailable

# Neither part can begin with a dash, which ssh would take for an option, or hold what a shell or ssh expands.
_ADDRESS = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?"
    r"(?:(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*)|\[(?P<ip>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
# Any Python from 2.7 on understands it, and every shell, quoted: then comes the length of a program, and that.
BOOT = (
    "import sys;sys.path=[p for p in sys.path if p];"
    'sys.version_info<(3,10) and sys.exit("Python "+sys.version.split()[0]);'
    "exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))"
)
_OPTIONS = {
    "ConnectTimeout": "15",
    "ServerAliveInterval": "10",  # a dead connection ends after half a minute
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",
    "ControlMaster": "no",
    "RemoteCommand": "none",
}
_SIGN_OF_LIFE = 10.0
_GRACE = 10.0
_LONGEST_LINE = 1 << 26


@dataclass(frozen=True)
class Board:
    """Where a board is, and which Python runs there; `port` None is ssh's own choice."""

    host: str
    user: str = ""
    port: int | None = None
    python: str = "python3"

    @classmethod
    def parse(cls, address: str, python: str = "python3") -> Board:
        """`[user@]host[:port]`, an IPv6 address in brackets; BudgetError for anything else."""
        found = _ADDRESS.fullmatch(address)
        port = int(found["port"]) if found and found["port"] else None
        if found is None or (port is not None and not 0 < port < 1 << 16):
            raise BudgetError(f"--remote {address!r} is no [USER@]HOST[:PORT]: write, for example, nvidia@orin:22")
        if not python.removeprefix("~/") or not python.isprintable():
            raise BudgetError(f"--remote-python {python!r} is no program: write, for example, pliant/bin/python")
        # The shell there would not expand a quoted tilde; it starts in that very folder.
        return cls(found["host"] or found["ip"], found["user"] or "", port, python.removeprefix("~/"))

    @property
    def where(self) -> str:
        """`user@host`, as ssh takes it."""
        return f"{self.user}@{self.host}" if self.user else self.host

    def options(self) -> list[str]:
        """The port, as ssh and ssh-copy-id take it."""
        return [] if self.port is None else ["-p", str(self.port)]

    def __str__(self) -> str:
        return self.where if self.port is None else f"{self.where}, port {self.port}"


class Connection:
    """A program that runs on a board, with lines from it and bytes to it. A context manager: leaving it ends both."""

    def __init__(self, board: Board, program: str):
        if shutil.which("ssh") is None:
            raise EngineUnavailable("there is no ssh here: sudo apt-get install openssh-client")
        self.board = board
        self._said: deque[str] = deque(maxlen=50)  # the last lines on stderr
        # Ctrl-C is for this process, which then lets the board tidy up; ssh heeds a signal that it inherits as ignored.
        shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *_command(board)]
        pipe = subprocess.PIPE
        self._ssh = subprocess.Popen(shell, stdin=pipe, stdout=pipe, stderr=pipe)
        self._stdin, self._stdout, self._stderr = map(_there, (self._ssh.stdin, self._ssh.stdout, self._ssh.stderr))
        self._heard = False
        self._done = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._live)]
        self._threads[0].start()
        source = program.encode()
        self.send([b"%d\n" % len(source), source])

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._done.set()
        try:
            with suppress(OSError):
                self._stdin.close()  # tells the board to end
            if self._heard:
                self.code()
            self._ssh.terminate()  # at a question for a password it gives the terminal its echo back
            self.code()
        finally:
            self._ssh.kill()
            self._ssh.wait()
            for thread in self._threads:
                if thread.is_alive():
                    thread.join(1.0)
            self._stdout.close()
            self._stderr.close()

    def send(self, pieces: Iterable[bytes | memoryview]) -> bool:
        """Send bytes; False where the connection has ended, about which `lines` and `code` know more."""
        try:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:  # not through the file's own buffer, which would be flushed when it is closed
                    rest = rest[os.write(self._stdin.fileno(), rest) :]
        except ConnectionError:
            return False
        return True

    def live(self) -> None:
        """From now on give a sign of life now and then; nothing else can be sent after this."""
        self._threads[1].start()

    def lines(self) -> Iterator[str]:
        """What is said there, line by line, until its end."""
        while line := self._stdout.readline(_LONGEST_LINE):
            self._heard = True
            yield line.decode("utf-8", "replace")

    def code(self) -> int | None:
        """The exit code, once its end is near: 255 is ssh's own; None where it does not end."""
        with suppress(subprocess.TimeoutExpired):
            return self._ssh.wait(_GRACE)
        return None

    def last_words(self) -> str:
        """The last line on stderr, of ssh or from there, after the end of `lines`."""
        code = self.code()
        self._threads[0].join(1.0)
        return self._said[-1] if self._said else f"ssh ended with exit code {code}"

    def why_not(self) -> str:
        """Why nothing runs there, and what to do: after the end of `lines`, before anything was said."""
        code, last = self.code(), self.last_words()
        text = " ".join(self._said).lower()
        if code == 255:
            return next((advice for sign, advice in _advice(self.board) if sign in text), last)
        python = self.board.python
        if code in (126, 127) or "not found" in last:
            return f"it cannot run {python!r}: install Python 3.10 there, or name one that it has by --remote-python"
        if found := re.fullmatch(r"Python ([0-9][^ ]*)", last):
            return f"{python} there is {found[1]}, pliant needs 3.10: name a newer one by --remote-python"
        return f"{python} there says: {last}"

    def _listen(self) -> None:
        with suppress(OSError, ValueError):  # closed meanwhile
            for line in self._stderr:
                if text := line.decode("utf-8", "replace").strip():
                    self._said.append(text)

    def _live(self) -> None:
        with suppress(OSError, ValueError):
            while not self._done.wait(_SIGN_OF_LIFE):
                os.write(self._stdin.fileno(), b"\n")


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "it was asked for"
    return pipe


def _command(board: Board) -> list[str]:
    options = dict(_OPTIONS)
    if not sys.stdin.isatty():
        options["BatchMode"] = "yes"  # nobody is there to be asked for a password
    pairs = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-T", *pairs, *board.options(), "--", board.where, shlex.join([board.python, "-c", BOOT])]


def _advice(board: Board) -> Iterator[tuple[str, str]]:
    """What ssh says, and what that means."""
    login = shlex.join(["ssh", *board.options(), board.where])
    keys = shlex.join(["ssh-copy-id", *board.options(), board.where])
    yield "could not resolve", "there is no host of that name: check it, or write its number"
    yield (
        "identification has changed",
        f"its host key is another than it was: if that is right, ssh-keygen -R {board.host}",
    )
    yield "host key verification", f"its host key is not known here: run `{login}` once and accept it"
    refused = f"it accepts none of the keys that ssh has here: run `{keys}` first"
    yield "permission denied", refused
    yield "authentication failures", refused
    yield "connection refused", "nothing answers there: is its sshd running, and is the port right?"
    for sign in ("timed out", "no route", "unreachable"):
        yield sign, "it cannot be reached: is it on, and in this network?"
