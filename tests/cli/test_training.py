"""What a training shows before it trains: how many pictures are rendered, on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pliant.cli.training import TrainingBar

MANY = """
data: {name: scenes, size: [32, 48], counts: {train: 100000, validation: 8}}
model: {encoder: resnet10, channels: 16, decoder_channels: 16, skip_channels: 8, output_stride: 8}
"""


def test_a_ctrl_c_while_pictures_are_rendered_begins_a_line(tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text(MANY)
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "pliant.cli", "train", "many.yaml", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PLIANT_DATA": str(tmp_path), "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # Whoever started the tests in the background may have had SIGINT ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(slave)
    shown = b""
    while b"rendering pictures" not in shown:
        shown += os.read(master, 4096)
    os.killpg(child.pid, signal.SIGINT)
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # the other end is closed
        os.close(master)
    assert child.wait(60) == 130, shown
    assert any(line.startswith(b"stopped: no checkpoint") for line in shown.split(b"\n")), shown


def test_a_log_has_a_line_of_rendered_pictures_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingBar() as bar:
        bar.preparing(1, 30)
        monkeypatch.setattr("pliant.cli.training.SECONDS_BETWEEN_LINES", 0.0)
        bar.preparing(2, 30)
    assert capsys.readouterr().err == "rendering pictures: 2 of 30\n"
