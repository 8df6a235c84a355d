"""Ctrl-C in a terminal before a training has begun."""

import os
import pty
import signal
import subprocess
import sys


def test_ctrl_c_while_torch_is_loaded_removes_the_bar_and_shows_the_cursor(tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bnrun", "trainer.steps=100000"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    text = b""
    while b"loading torch and the data" not in text:
        text += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # the terminal has no other end any more
        pass
    assert process.wait(timeout=60) == 130
    last = b"\x1b[?25h\r\nbnrun: interrupted; run the same command again to resume\r\n"
    assert text.endswith(b"\r\x1b[2K" + last)
