"""A process that cleans chunks for another one, see ``workers``: settings come in, then chunks, until nobody
asks any more."""

from __future__ import annotations

from multiprocessing.connection import Connection

from medft.data.source import sources_of


def serve(socket: int) -> None:
    """Answer each chunk that comes with what becomes of it, or with the error that its rows are."""
    with Connection(socket) as asker:
        sources = sources_of(asker.recv())
        while True:
            try:
                chunk = asker.recv()
            except EOFError:
                return
            try:
                asker.send(sources[chunk.source].clean(chunk))
            except BrokenPipeError:
                return
            except Exception as error:  # it is raised where the rows were asked for
                asker.send(error)
