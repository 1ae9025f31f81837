"""No-op items through Celery: one chord, a task per item, until its callback's result is back. ../README.md says why it is
set so."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import celery

# No caches beside the sources, here and in the workers.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

from tasks import SETTINGS, app, complete, noop  # noqa: E402

TIMEOUT_S = 600
WARM_UP = 1_000
POOL = "threads"
# More of them only contend for the interpreter.
MOST_THREADS = 8
# Messages that a worker holds, for all its threads together.
PREFETCH = 1_000


def start_worker(number, threads):
    command = [sys.executable, "-m", "celery", "--app", "tasks", "worker", "--hostname", f"worker-{number}@localhost"]
    command += ["--pool", POOL, "--concurrency", str(threads), "--loglevel", "WARNING"]
    command += ["--prefetch-multiplier", str(max(1, PREFETCH // threads))]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    # What a worker prints is no result. It ends with this process even where that is killed.
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command], cwd=Path(__file__).parent, stdin=subprocess.DEVNULL, stdout=sys.stderr
    )


def wait_until_ready(workers):
    while len(app.control.ping(timeout=0.5)) < len(workers):
        if any(worker.poll() is not None for worker in workers):
            raise RuntimeError("a worker has ended")


def measure(count):
    items = [noop.s({"n": n}) for n in range(count)]
    started = time.perf_counter()
    result = celery.chord(items)(complete.s())
    # Not propagate: before it waits, that asks the backend about every item, one after the other.
    completed = result.get(propagate=False)
    seconds = time.perf_counter() - started
    if completed != count:
        raise RuntimeError(f"{completed!r} instead of {count} items")
    return seconds


def run(args, threads):
    workers = []
    try:
        workers += (start_worker(number, threads) for number in range(args.workers))
        wait_until_ready(workers)
        measure(WARM_UP)
        return measure(args.items)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def give_up(reason):
    raise SystemExit(f"ended: {reason}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("items", "workers", "concurrency"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: give_up("SIGTERM"))
    signal.signal(signal.SIGALRM, lambda *_: give_up(f"took longer than {TIMEOUT_S} s"))
    signal.alarm(TIMEOUT_S)
    threads = min(args.concurrency, MOST_THREADS)
    seconds = run(args, threads)
    settings = SETTINGS | {"pool": POOL, "workers": args.workers, "concurrency": threads, "prefetch": PREFETCH}
    settings["python"] = platform.python_version()
    line = {"peer": "celery", "version": celery.__version__, "items": args.items, "seconds": seconds, "settings": settings}
    print(json.dumps(line), flush=True)
    # Not through the interpreter's end: each result of an item would unsubscribe itself there, from what is closed by then.
    os._exit(0)


if __name__ == "__main__":
    main()
