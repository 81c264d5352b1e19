"""One request and its answer, for those who are in no hurry: checks before and after what is measured."""

import socket
from dataclasses import dataclass
from typing import Final

from loadtests.bench.client.lines import read_answers

SECONDS_MAX: Final = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, None where it is absent."""
        for line in self.head.split(b"\r\n")[1:]:
            field, _, value = line.partition(b":")
            if field.decode().lower() == name.lower():
                return value.strip().decode()
        return None


def ask(port: int, request: bytes) -> Answer:
    """Raises `OSError` when nothing answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX) as connection:
        connection.sendall(request)
        stream = b""
        while True:
            chunk = connection.recv(65_536)
            stream += chunk
            for status, body in read_answers(stream):
                return Answer(status, stream.partition(b"\r\n\r\n")[0], body)
            if not chunk:
                raise ConnectionResetError("the connection was closed before an answer came")
