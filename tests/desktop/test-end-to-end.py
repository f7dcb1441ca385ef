#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An evening of the desktop app: the real program, a real relay, the demo backend, a keyring, and the services of a
session.

  with-session --display test-end-to-end.py APP RELAY BACKEND CTL"""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from desk import (Failure, Stream, free_port, read_models, run_tests, set_setting, stays, store_secret, wait_for)

MODELS = ["demo-large", "demo-small"]
MAX_RSS_KB = 60 * 1024
MEASURED_SECONDS = 3


def test_session(desk):
    """/end-to-end/session"""
    desk.serve_notifications()
    desk.serve_tray()
    desk.open_keyring()
    desk.start(["openbox"])
    desk.backend_port, desk.relay_port = free_port(), free_port()
    desk.url = f"http://127.0.0.1:{desk.relay_port}"
    desk.start_backend(desk.backend_port, *MODELS)
    desk.relay = desk.start_relay(desk.relay_port)


def test_first_run(desk):
    """/end-to-end/first-run"""
    desk.app = desk.start_app()
    assistant = desk.wait_window("Set up sharing")
    desk.wait_window("ModelRelay")
    desk.press(assistant, "Escape")
    wait_for("the assistant can be left", lambda: not desk.find_windows("Set up sharing"))
    desk.act("preferences-page", "general")
    desk.press(desk.wait_window("Settings"), "alt+o")
    entry = Path(os.environ["XDG_CONFIG_HOME"]) / "autostart/org.modelrelay.Desktop.desktop"
    wait_for("an autostart entry", entry.exists)
    desk.autostart = next(shlex.split(line[5:]) for line in entry.read_text().splitlines() if line.startswith("Exec="))


def test_connect(desk):
    """/contract/L4/connect-with-new-settings"""
    store_secret(desk.url)
    set_setting("backend-url", f"'http://127.0.0.1:{desk.backend_port}'")
    set_setting("relays", f"['{desk.url}']")
    desk.wait_state("connected")
    wait_for("its models at the relay", lambda: sorted(read_models(desk.relay_port)) == MODELS)


def test_stream(desk):
    """/contract/L1/relaying"""
    stream = Stream(desk.relay_port, MODELS[0], 30)
    desk.wait_state("relaying")
    wait_for("a whole answer", lambda: stream.ended_at is not None and stream.complete)
    desk.wait_state("connected")


def read_children(pid):
    """Their names, which the kernel cuts to 15 characters."""
    names = []
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            status = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(status["PPid"]) == pid:
            names.append(status["Name"])
    return names


def test_own_worker(desk):
    """/contract/L7/worker-library"""
    wait_for("no child but the tray's helper",
             lambda: read_children(desk.app.process.pid) == ["modelrelay-indicator"[:15]])
    wait_for("it serves its models itself", lambda: sorted(read_models(desk.relay_port)) == MODELS)


def test_ctl(desk):
    """/contract/M2/desktop-app"""
    said = subprocess.run([desk.programs["ctl"], "--dbus", "session", "--json", "status"], capture_output=True,
                          text=True, check=True).stdout
    workers = json.loads(said)["local_workers"]
    wait_for("it is listed", lambda: [worker["BusName"] for worker in workers] == ["org.modelrelay.Desktop"])
    wait_for("with its models", lambda: sorted(workers[0]["Models"]) == MODELS)


def test_pause(desk):
    """/end-to-end/pause-and-resume"""
    desk.act("pause")
    wait_for("the relay has no models", lambda: read_models(desk.relay_port) == [])
    waiting = Stream(desk.relay_port, MODELS[0], 5)
    stays("nothing is routed", lambda: waiting.events == 0 and waiting.ended_at is None, 0.3)
    desk.act("resume")
    wait_for("they are back", lambda: sorted(read_models(desk.relay_port)) == MODELS)
    wait_for("what waited is served", lambda: waiting.ended_at is not None and waiting.complete)


def test_hide_model(desk):
    """/contract/L2/model-selection"""
    set_setting("hidden-models", f"['{MODELS[0]}']")
    wait_for("one of them", lambda: read_models(desk.relay_port) == [MODELS[1]])
    set_setting("hidden-models", "@as []")
    wait_for("both", lambda: sorted(read_models(desk.relay_port)) == MODELS)


def test_hand_back(desk):
    """/end-to-end/hand-back"""
    stream = Stream(desk.relay_port, MODELS[0], 4000)
    wait_for("it streams", lambda: stream.events > 5)
    began = time.monotonic()
    desk.act("hand-back")
    wait_for("it ends within a second", lambda: stream.ended_at is not None, 1)
    print(f"# ended after {(stream.ended_at - began) * 1000:.0f} ms", flush=True)
    wait_for("cut short", lambda: not stream.complete)
    desk.act("resume")
    desk.wait_state("connected")


def test_budget(desk):
    """/end-to-end/idle-costs"""
    desk.press(desk.wait_window("Settings"), "ctrl+w")
    desk.press(desk.wait_window("ModelRelay"), "ctrl+w")
    wait_for("no window", lambda: not desk.find_windows("ModelRelay") and not desk.find_windows("Settings"))
    # What was freed is given back a moment later.
    stays("calm", lambda: True, 1.5)
    rss, before = desk.app.read_status("VmRSS"), desk.app.read_status("voluntary_ctxt_switches")
    time.sleep(MEASURED_SECONDS)
    rate = (desk.app.read_status("voluntary_ctxt_switches") - before) / MEASURED_SECONDS
    print(f"# {rss / 1024:.1f} MiB, {rate:.2f} wake-ups a second", flush=True)
    if rate >= 1:
        raise Failure("it does not sleep")
    # ASan keeps freed memory on purpose.
    if rss >= MAX_RSS_KB and not desk.app.is_sanitized():
        raise Failure("it is too big")


def test_relay_lost(desk):
    """/contract/L4/lost-and-restored"""
    desk.notes.clear()
    desk.relay.kill()
    wait_for("a notification of the loss", lambda: [note for note in desk.notes if "127.0.0.1" in note], 12)
    lost = len(desk.notes)
    desk.relay = desk.start_relay(desk.relay_port)
    wait_for("it connects again by itself", lambda: sorted(read_models(desk.relay_port)) == MODELS, 10)
    wait_for("and says so", lambda: len(desk.notes) > lost)


def test_quit(desk):
    """/end-to-end/quit-drains"""
    stream = Stream(desk.relay_port, MODELS[0], 50)
    wait_for("it streams", lambda: stream.events > 5)
    desk.act("quit")
    desk.app.expect_exit(6)
    wait_for("whole", lambda: stream.ended_at is not None and stream.complete)


def test_login(desk):
    """/contract/L5/login"""
    wait_for("the entry starts it hidden", lambda: "--background" in desk.autostart)
    desk.items.clear()
    desk.app = desk.start(desk.autostart, {"GIO_USE_VFS": "local"})
    wait_for("its icon", lambda: desk.items)
    desk.wait_state("connected")
    stays("no window", lambda: not desk.find_windows("ModelRelay"), 0.3)
    desk.act("quit")
    desk.app.expect_exit(6)


if __name__ == "__main__":
    run_tests([test_session, test_first_run, test_connect, test_stream, test_own_worker, test_ctl, test_pause, test_hide_model,
               test_hand_back, test_relay_lost, test_budget, test_quit, test_login],
              dict(zip(("app", "relay", "backend", "ctl"), sys.argv[1:], strict=True)))
