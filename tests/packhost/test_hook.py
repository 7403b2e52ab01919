"""Where the kernel lends no listener: Python's audit hook tells what it sees, which is less."""

import socket
import subprocess
import sys

CODE = """
import ctypes, os, socket, subprocess, sys
from agentos.packhost.hook import watch
watch(socket.socket(fileno=int(sys.argv[1])), network=False)
for pair in (socket.socketpair(),):
    [each.close() for each in pair]
socket.socket().close()
os.kill(os.getpid(), 0)
os.kill(os.getppid(), 0)
subprocess.run(["true"])
"""


def test_tries_that_python_knows_of_are_told_and_what_is_the_host_s_own_is_not() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run([sys.executable, "-c", CODE, str(theirs.fileno())], pass_fds=(theirs.fileno(),), check=True)
        theirs.close()
        lines = ours.recv(10_000).decode().splitlines()
    # How a program is started is up to the version of Python.
    assert lines[:3] == ["network socket.__new__", "process os.kill", "process subprocess.Popen"]
    assert {line.partition(" ")[0] for line in lines[3:]} <= {"process"}
