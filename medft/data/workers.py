"""Other processes that clean chunks: started when a data set turns out to be large, gone when this one ends,
however it does.

They are children with a socket each, and no ``multiprocessing``, which would fork this process with its
threads, or run the script of whoever calls ``prepare`` once more.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import chain
from multiprocessing.connection import Connection
from queue import SimpleQueue

from medft.data.chunk import Chunk, CleanedChunk
from medft.data.config import DatasetConfig
from medft.errors import DataError
from medft.machine import usable_cores

FIRST = 4096
"""Rows that are cleaned in this process before another is started, which takes a second."""
MOST = 8
"""Processes beyond which the one that reads and writes for them all cannot keep up."""
_START = """import json, sys
sys.path[:] = json.loads(sys.argv[1])
from medft.data.worker import serve
serve(int(sys.argv[2]))
"""
_ALONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
"""Libraries whose threads would share the core of another process."""

Ask = Callable[[Chunk], "Future[CleanedChunk]"]
"""Gives a chunk to the next process that is free."""


def cleaned(
    config: DatasetConfig, chunks: Iterator[Chunk], clean: Callable[[Chunk], CleanedChunk]
) -> Iterator[CleanedChunk]:
    """What becomes of ``chunks``, in their order: the first few in this process by ``clean``, the others in
    as many as ``dataset.processes`` says.

    Raises:
        DataError: a row where ``on_error`` is ``stop``, or a process has ended before its work has.
    """
    processes = config.processes or min(usable_cores(), MOST)
    rows = 0
    for chunk in chunks:
        if rows >= FIRST and processes > 1:
            with _children(config, processes) as ask:
                yield from _in_order(ask, chain([chunk], chunks), 2 * processes)
            return
        yield clean(chunk)
        rows += len(chunk.rows)


def _in_order(ask: Ask, chunks: Iterator[Chunk], most: int) -> Iterator[CleanedChunk]:
    """The outcome of each chunk, at most so many being at work or waiting."""
    waiting: deque[Future[CleanedChunk]] = deque()
    for chunk in chunks:
        waiting.append(ask(chunk))
        if len(waiting) == most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _children(config: DatasetConfig, processes: int) -> Iterator[Ask]:
    """So many processes that clean, and are ended with the block."""
    free: SimpleQueue[Connection] = SimpleQueue()

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(processes))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        for _ in range(processes):
            free.put(stack.enter_context(_child(config)))
        yield lambda chunk: pool.submit(_asked, free, chunk)


def _asked(free: SimpleQueue[Connection], chunk: Chunk) -> CleanedChunk:
    """What the next process that is free makes of a chunk."""
    connection = free.get()
    try:
        connection.send(chunk)
        outcome: CleanedChunk | Exception = connection.recv()
    except (EOFError, OSError) as error:
        raise DataError(
            "a process that cleans rows ended early",
            where=f"rows {chunk.before + 1:,} to {chunk.before + len(chunk.rows):,}",
            remedy="it may have run out of memory: try dataset.processes=1",
        ) from error
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise DataError(
            f"a row holds a value that cannot be sent to another process: {type(error).__name__}",
            remedy="dataset.processes=1",
        ) from error
    finally:
        free.put(connection)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@contextmanager
def _child(config: DatasetConfig) -> Iterator[Connection]:
    """One process; it is in a session of its own, so that a Ctrl-C is answered here alone."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path), str(theirs.fileno())]
        environment = os.environ | dict.fromkeys(_ALONE, "1")
        process = subprocess.Popen(
            command, env=environment, pass_fds=[theirs.fileno()], start_new_session=True
        )
    connection = Connection(ours.detach())
    try:
        connection.send(config)
        yield connection
    finally:
        process.kill()
        process.wait()
        connection.close()
