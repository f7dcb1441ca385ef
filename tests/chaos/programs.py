# SPDX-License-Identifier: MIT
"""What the command lines of scripts/chaos and scripts/soak have in common: which programs are tested, and how a run
ends."""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path


def add_program_options(parser):
    parser.add_argument("--server", type=Path, metavar="FILE", help="the relay to test (default: built in ./build)")
    parser.add_argument("--worker", type=Path, metavar="FILE", help="the worker to test (default: built in ./build)")
    parser.add_argument("--sanitized", action="store_true",
                        help="they are built with ASan, which keeps freed memory on purpose: do not judge their size")


def find_programs(args, root):
    """Builds what was not given."""
    if args.server is not None and args.worker is not None:
        return
    build = root / "build"
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, root], check=True)
    subprocess.run(["ninja", "-C", build, "server/modelrelay-server", "worker/modelrelay-worker"], check=True)
    args.server = args.server or build / "server/modelrelay-server"
    args.worker = args.worker or build / "worker/modelrelay-worker"


async def cancel_on_signal(coroutine):
    """So that SIGTERM, too, leaves time to stop what was started."""
    task = asyncio.ensure_future(coroutine)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


def run_to_end(coroutine, directory):
    """Returns whether all was well; then the logs are deleted."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it would warn of writing to a peer that is gone
    try:
        good = asyncio.run(cancel_on_signal(coroutine))
    except asyncio.CancelledError:
        print(f"interrupted, logs in {directory}", file=sys.stderr)
        sys.stdout.flush()
        os._exit(130)
    if good:
        shutil.rmtree(directory)
    return good
