"""Progress of embeddings on a terminal: workers tell the controller, the controller draws.

Workers send small JSON datagrams to a loopback port: sending never waits, and a lost one costs a redraw.
The board draws one line below the cursor and takes it away before pytest writes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from pytest_prodbench.plugin.in_use import WORKER_INPUT

if TYPE_CHECKING:
    from pytest_prodbench.embedding import OnProgress, ProgressEvent

BOARD_KEY: pytest.StashKey[Board] = pytest.StashKey()
REDRAW_SECONDS = 0.2
FORGET_SECONDS = 30.0
"""A worker that has said nothing for so long is not drawn: it may be dead."""


def progress_of(config: pytest.Config, pair: str) -> OnProgress | None:
    """Return what an embedding calls to show its progress; None where nothing is drawn."""
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is None:
        board = config.stash.get(BOARD_KEY, None)
        return None if board is None else lambda event: board.update(pair, event)
    address = workerinput.get(WORKER_INPUT, {}).get("progress")
    return None if address is None else _sender(address, pair)


def board_address(config: pytest.Config) -> list[Any] | None:
    """Return host, port and token for the workers; None where nothing is drawn."""
    board = config.stash.get(BOARD_KEY, None)
    return None if board is None else board.listen()


def close_board(config: pytest.Config) -> None:
    """Stop drawing."""
    if BOARD_KEY in config.stash:
        config.stash[BOARD_KEY].close()
        del config.stash[BOARD_KEY]


def _sender(address: list[Any], pair: str) -> OnProgress:
    host, port, token = address
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.setblocking(False)

    def send(event: ProgressEvent) -> None:
        message = {"token": token, "pair": pair, "event": asdict(event)}
        try:
            channel.sendto(json.dumps(message).encode(), (host, port))
        except OSError:
            return  # progress is a courtesy: it must never stop a run

    return send


def open_board(config: pytest.Config) -> None:
    """Get ready to draw, if the output is a terminal; called before any test captures it."""
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    file: Any = getattr(getattr(terminal, "_tw", None), "_file", None)
    if file is None or not file.isatty() or config.getoption("verbose", 0) < 0:
        return
    # A descriptor of our own: while a test runs, pytest lets the usual one lead into a file.
    board = Board(os.dup(file.fileno()), terminal._tw)
    config.stash[BOARD_KEY] = board
    config.pluginmanager.register(_Wiper(board), "prodbench-progress")


class _Wiper:
    """Takes the line away before pytest writes anything of a test."""

    def __init__(self, board: Board) -> None:
        self._board = board

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        self._board.wipe()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self) -> None:
        self._board.wipe()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self) -> None:
        self._board.wipe()


class Board:
    """Draws the embeddings in progress in one line below the cursor."""

    def __init__(self, terminal: int, writer: Any) -> None:
        """``terminal``: file descriptor to draw on, closed at the end; ``writer`` knows the width."""
        self._terminal, self._writer = terminal, writer
        self._states: dict[str, ProgressEvent] = {}
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()
        self._drawn = False
        self._last = 0.0
        self._socket: socket.socket | None = None
        self._token = secrets.token_hex(8)

    def listen(self) -> list[Any]:
        """Open the side channel and return host, port and token."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("127.0.0.1", 0))
            threading.Thread(target=self._receive, daemon=True, name="prodbench-progress").start()
        host, port = self._socket.getsockname()
        return [host, port, self._token]

    def update(self, pair: str, event: ProgressEvent) -> None:
        """Take the state of one pair and redraw if the last drawing is old enough."""
        with self._lock:
            if event.done >= event.total:
                self._states.pop(pair, None)
            else:
                self._states[pair] = event
                self._seen[pair] = time.monotonic()
            if time.monotonic() - self._last >= REDRAW_SECONDS:
                self._draw()

    def wipe(self) -> None:
        """Take the line away."""
        with self._lock:
            self._erase()

    def close(self) -> None:
        """Stop listening and take the line away."""
        with self._lock:
            self._states.clear()
            self._erase()
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            if self._terminal >= 0:
                os.close(self._terminal)
                self._terminal = -1

    def _receive(self) -> None:
        from pytest_prodbench.embedding import ProgressEvent

        channel = self._socket
        while channel is not None:
            try:
                message = json.loads(channel.recv(4096))
                if message["token"] == self._token:
                    self.update(str(message["pair"]), ProgressEvent(**message["event"]))
            except OSError:
                return  # closed
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # somebody else's datagram

    def _draw(self) -> None:
        now = time.monotonic()
        live = [p for p in self._states if now - self._seen[p] < FORGET_SECONDS]
        if not live:
            self._erase()
            return
        text = "  ".join(f"[{self._states[pair].words(pair)}]" for pair in sorted(live))
        text = text[: max(10, self._writer.fullwidth - 1)]
        # ESC D, ESC [A: make sure that there is a line below, without losing the column. ESC 7 and 8 keep
        # the cursor, so that pytest's own line goes on where it was.
        self._put(f"\x1bD\x1b[A\x1b7\x1b[B\r\x1b[2K{text}\x1b8")
        self._drawn = True
        self._last = now

    def _erase(self) -> None:
        if self._drawn:
            self._put("\x1b7\x1b[B\r\x1b[2K\x1b8")
            self._drawn = False

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone; the run goes on
            os.write(self._terminal, text.encode())
