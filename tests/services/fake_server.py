"""A server for tests of how servers are started and ended: says PONG to whoever connects.

usage: fake_server.py PORT [stubborn] [crash] [deaf] [child PIDFILE]
"""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path


def main(port: int, *how: str) -> None:
    if "crash" in how:
        print("no more electrons", flush=True)
        raise SystemExit(3)
    if "stubborn" in how:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "child" in how:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        Path(how[how.index("child") + 1]).write_text(str(child.pid), "utf-8")
    if "deaf" in how:
        threading.Event().wait()
    with socket.create_server(("127.0.0.1", port)) as server:
        while True:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"PONG")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
