#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long the app lives, and which windows it opens (contract L6): the real program in a session of its own.

  with-session --display test-application.py APP"""

import os
import subprocess
import sys
import time
from pathlib import Path

from desk import APP, APP_PATH, run_tests, stays, wait_for

WINDOW = "ModelRelay"


def run_again(desk, *options):
    """A second start; its exit status."""
    return subprocess.run([desk.programs["app"], *options], timeout=10, check=False).returncode


def test_manager(desk):
    """/contract/L6/version"""
    said = subprocess.run([desk.programs["app"], "--version"], capture_output=True, text=True, check=True).stdout
    wait_for("it names its version", lambda: said.startswith("modelrelay-desktop "))
    # Nothing runs: nothing to end, and nothing is started for it.
    wait_for("quit without one", lambda: run_again(desk, "--quit") == 0)
    wait_for("none was started", lambda: not desk.has_owner(APP))
    desk.serve_notifications()
    desk.start(["openbox"])


def test_no_tray(desk):
    """/contract/L6/background-without-tray"""
    desk.app = desk.start_app("--background")
    wait_for("a window", lambda: desk.count_managed() == 1)
    stays("it is out of the way", lambda: not desk.find_windows(WINDOW), 0.3)


def test_second_start(desk):
    """/contract/L6/second-start"""
    run_again(desk)
    window = desk.wait_window(WINDOW)
    desk.assistant = desk.wait_window("Set up sharing")
    run_again(desk)
    wait_for("still one window", lambda: desk.find_windows(WINDOW) == [window])
    wait_for("still the first process", desk.app.runs)


def test_close(desk):
    """/contract/L6/close-without-tray"""
    desk.press(desk.assistant, "ctrl+w")
    wait_for("the assistant is closed", lambda: not desk.find_windows("Set up sharing"))
    desk.press(desk.wait_window(WINDOW), "ctrl+w")
    wait_for("the window is closed", lambda: not desk.find_windows(WINDOW))
    wait_for("it says how to come back", lambda: [note for note in desk.notes if "keeps running" in note])
    wait_for("it still runs", desk.app.runs)
    desk.notes.clear()
    desk.act("open")
    desk.press(desk.wait_window(WINDOW), "ctrl+w")
    wait_for("the window is closed again", lambda: not desk.find_windows(WINDOW))
    stays("it is said once", lambda: not desk.notes, 0.3)


def test_second_background(desk):
    """/contract/L6/second-start-in-background"""
    wait_for("it succeeds", lambda: run_again(desk, "--background") == 0)
    stays("no window", lambda: not desk.find_windows(WINDOW), 0.3)


def test_keys(desk):
    """/contract/L6/keys"""
    desk.act("open")
    window = desk.wait_window(WINDOW)
    for key, title in (("ctrl+comma", "Settings"), ("F1", "Keyboard shortcuts")):
        desk.press(window, key)
        opened = desk.wait_window(title)
        desk.press(opened, "Escape" if title == "Keyboard shortcuts" else "ctrl+w")
        wait_for(f"{title} is closed", lambda: not desk.find_windows(title))
    desk.act("about")
    desk.press(desk.wait_window("About ModelRelay"), "Escape")


def test_quit(desk):
    """/contract/L6/quit"""
    wait_for("it is asked", lambda: run_again(desk, "--quit") == 0)
    desk.app.expect_exit(6)


def test_tray(desk):
    """/contract/L6/background-with-tray"""
    desk.serve_tray()
    desk.app = desk.start_app("--background")
    wait_for("its icon", lambda: desk.items)
    stays("no window", lambda: desk.count_managed() == 0, 0.5)
    desk.act("open")
    desk.notes.clear()
    desk.press(desk.wait_window(WINDOW), "ctrl+w")
    wait_for("the window is closed", lambda: not desk.find_windows(WINDOW))
    stays("nothing to be said", lambda: not desk.notes, 0.3)


def test_terminate(desk):
    """/contract/L6/terminate"""
    began = time.monotonic()
    desk.app.stop()
    wait_for("it ends well, soon", lambda: desk.app.process.returncode == 0 and time.monotonic() - began < 3)


def test_activation(desk):
    """/contract/L6/dbus-activation"""
    services = Path(os.environ["XDG_DATA_HOME"]) / "dbus-1/services"
    services.mkdir(parents=True)
    (services / f"{APP}.service").write_text(
        f"[D-BUS Service]\nName={APP}\nExec={desk.programs['app']} --gapplication-service\n")
    desk.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
    subprocess.run(["gdbus", "call", "--session", "--dest", APP, "--object-path", APP_PATH, "--method",
                    "org.freedesktop.Application.ActivateAction", "preferences", "[]", "{}"], check=True,
                   capture_output=True)
    desk.wait_window("Settings")
    wait_for("only what was asked for", lambda: not desk.find_windows(WINDOW))
    run_again(desk, "--quit")
    wait_for("it is gone", lambda: not desk.has_owner(APP))


if __name__ == "__main__":
    run_tests([test_manager, test_no_tray, test_second_start, test_close, test_second_background, test_keys, test_quit,
               test_tray, test_terminate, test_activation], {"app": sys.argv[1]})
