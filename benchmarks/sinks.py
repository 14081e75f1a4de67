"""`python -m benchmarks.sinks HTTP_PORT SMTP_PORT`: take every message and count it.

What it counted is told as JSON by `GET /counted`. A message with the word `Overtaking`
is counted apart, with the time of each arrival.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict

MARK = b"Overtaking"


class Counted:
    """Messages by way, and when those with the mark came (seconds of the monotonic clock)."""

    def __init__(self) -> None:
        self.number: dict[str, int] = defaultdict(int)
        self.marked: dict[str, list[float]] = defaultdict(list)
        self.last: dict[str, float] = {}

    def take(self, way: str, text: bytes) -> None:
        self.number[way] += 1
        self.last[way] = time.monotonic()
        if MARK in text:
            self.marked[way].append(self.last[way])

    def told(self) -> bytes:
        return json.dumps(
            {"number": self.number, "marked": self.marked, "last": self.last}
        ).encode()


async def serve(http_port: int, smtp_port: int) -> None:
    counted = Counted()

    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.split(b"\r\n"):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = await reader.readexactly(length)
                said = b""
                if head.startswith(b"GET /counted"):
                    said = counted.told()
                else:
                    counted.take("webhook", body)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 sink\r\n")
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"EHLO":
                    writer.write(b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await writer.drain()
                    text = await reader.readuntil(b"\r\n.\r\n")
                    counted.take("email", text)
                    writer.write(b"250 taken\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 fine\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    servers = [
        await asyncio.start_server(http, "127.0.0.1", http_port, backlog=512),
        await asyncio.start_server(smtp, "127.0.0.1", smtp_port, limit=2**22, backlog=512),
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
