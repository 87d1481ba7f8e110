"""Grades graceful_shutdown.py in a real process, with a real SIGTERM."""

import signal
import subprocess
import sys
import threading

import pytest

PROGRAM = """
import asyncio, importlib.util, sys

spec = importlib.util.spec_from_file_location("answer", sys.argv[1])
answer = importlib.util.module_from_spec(spec)
sys.modules["answer"] = answer
spec.loader.exec_module(answer)

def say(*words):
    print(*words, flush=True)

async def main():
    loop = asyncio.get_running_loop()
    requests = asyncio.Queue()
    requests.put_nowait("request")

    async def handle(request):
        say("handling")
        await loop.run_in_executor(None, sys.stdin.readline)
        say("handled")

    async def clean_up():
        say("cleaning up")

    def on_signal(number, stop):
        loop.add_signal_handler(number, lambda: (say("signal"), stop()))

    summary = await answer.serve(requests.get, handle, clean_up, on_signal, grace=600)
    say("done", summary.done)

asyncio.run(main())
"""


@pytest.mark.points(1)
@pytest.mark.live
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to handle")
def test_a_real_process_stops_at_a_real_sigterm(submission):
    """A real process that gets a SIGTERM finishes its request, cleans up, and exits with 0."""
    command = [sys.executable, "-c", PROGRAM, submission.__file__]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    patience = threading.Timer(60, process.kill)
    patience.start()
    try:
        lines = iter(process.stdout.readline, "")
        first = next(lines, "nothing").strip()
        if first == "handling":
            process.send_signal(signal.SIGTERM)
            second = next(lines, "nothing").strip()
            process.stdin.write("go on\n")
            said, errors = process.communicate()
        else:
            second, (said, errors) = "", process.communicate()
    finally:
        patience.cancel()
        process.kill()
        process.wait()
    wrong = (errors.strip().splitlines() or ["it said nothing"])[-1]
    assert first == "handling", f"the process did not handle its request: {wrong}"
    assert second == "signal", f"SIGTERM did not reach your function: {wrong}"
    rest = said.split("\n")[:-1]
    assert process.returncode == 0, f"the process exited with {process.returncode}: {wrong}"
    assert rest == ["handled", "cleaning up", "done 1"], f"after the signal it said {rest}"
