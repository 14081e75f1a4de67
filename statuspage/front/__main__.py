"""`python -m statuspage.front`: started by the Procfile beside the web process."""

import argparse
import sys
from pathlib import Path

import uvloop

from statuspage import counters, group, logs
from statuspage.front.server import Front

WEB_THREADS = 4
"""As many as the Procfile gives each web process."""


def main() -> None:
    options = _options()
    logs.configure(options.log_format)
    group.end_with_the_others()
    if options.counters is not None:
        counters.share(options.counters, "front")
    try:
        uvloop.run(_serve(options))
    except OSError as error:
        sys.exit(f"The status page can not listen: {error}")


async def _serve(options: argparse.Namespace) -> None:
    front = Front(options.socket, threads=WEB_THREADS * options.web_processes)
    await front.serve(options.host, options.port)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m statuspage.front", description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--socket", type=Path, required=True, help="where the web process listens")
    parser.add_argument("--web-processes", type=int, default=1)
    parser.add_argument("--counters", type=Path, help="folder where processes tell what they count")
    parser.add_argument("--log-format", choices=("console", "json"), default="console")
    return parser.parse_args()


if __name__ == "__main__":
    main()
