#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The tray icon and its menu (contract L1) as a person finds them: the real app in a real xfce4-panel.

  with-session --display test-panel.py APP RELAY BACKEND ICONS [PICTURES]

ICONS is the folder of the symbolic icons. With PICTURES, a folder, screenshots of icons and menus are left there."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from gi.repository import GLib

from desk import APP, Failure, Stream, free_port, read_models, run_tests, set_setting, stays, store_secret, wait_for

MODELS = ["demo_one", "demo_two"]
# Where the icon is in this layout, and the part of the screen in which it is looked for: left, top, width, height.
ICON = (24, 13)
AREA = (8, 0, 48, 27)
# The mean difference of a pixel, of 1, between the icon as drawn by librsvg and the panel's own. It is below 0.005 for
# the right icon and 0.07 for the most alike of the others.
TOLERANCE = 0.02
PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="size" type="uint" value="26"/>
      <property name="icon-size" type="uint" value="16"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="icon-size" type="int" value="16"/>
    </property>
  </property>
</channel>"""


def read_gray(argv, given=None):
    """A picture that a program writes as PGM: width, height, a byte a pixel."""
    data = subprocess.run(argv, input=given, capture_output=True, check=True).stdout
    width, height = (int(word) for word in data.split(maxsplit=3)[1:3])
    return width, height, data[-width * height:]


def draw_icon(desk, state):
    """The icon of a state as it is to look at 16 px: how opaque each pixel is."""
    svg = Path(desk.programs["icons"]) / f"{APP}-{state}-symbolic.svg"
    png = subprocess.run(["rsvg-convert", "-w", "16", "-h", "16", str(svg)], capture_output=True, check=True).stdout
    return read_gray(["convert", "png:-", "-alpha", "extract", "-depth", "8", "pgm:-"], png)[2]


def difference(screen, width, left, top, icon):
    """How far the screen at a place is from the icon, painted in the text's colour on the panel's."""
    rows = [screen[(top + y) * width + left:(top + y) * width + left + 16] for y in range(16)]
    seen = b"".join(rows)
    ground, paint = seen[icon.index(0)], seen[icon.index(255)]
    if abs(ground - paint) < 60:
        return 1.0
    wrong = sum(abs(a - (ground + (paint - ground) * b / 255)) for a, b in zip(seen, icon))
    return wrong / 256 / abs(ground - paint)


def look(desk):
    """The state whose icon is seen in the panel; None when there is none."""
    left, top, width, height = AREA
    size, _, screen = read_gray(["import", "-window", "root", "-crop", f"{width}x{height}+{left}+{top}", "-colorspace",
                                 "gray", "-depth", "8", "pgm:-"])
    best = min((difference(screen, size, x, y, icon), state) for state, icon in desk.icons.items()
               for x in range(width - 16) for y in range(height - 16))
    return best[1] if best[0] < TOLERANCE else None


def wait_icon(desk, state, seconds=5):
    try:
        wait_for(f"the icon “{state}”", lambda: look(desk) == state, seconds)
    finally:
        keep_picture(desk, f"icon-{state}", ["-crop", "160x40+0+0"])


def keep_picture(desk, name, options=()):
    if desk.programs["pictures"]:
        subprocess.run(["import", "-window", "root", *options, f"{desk.programs['pictures']}/{name}.png"], check=True)


def find_helper(desk):
    """The pid of the app's helper; None when there is none."""
    for task in Path(f"/proc/{desk.app.process.pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                name = Path(f"/proc/{child}/comm").read_text()
            except FileNotFoundError:
                continue
            if name.startswith("modelrelay-indi"):
                return int(child)
    return None


def read_item(desk, name):
    """A property of the icon as the panel reads it."""
    address = desk.call("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", "org.freedesktop.DBus.Properties",
                        "Get", GLib.Variant("(ss)", ("org.kde.StatusNotifierWatcher",
                                                     "RegisteredStatusNotifierItems"))).unpack()[0][0]
    bus_name, path = address.split("/", 1)
    return desk.call(bus_name, "/" + path, "org.freedesktop.DBus.Properties", "Get",
                     GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", name))).unpack()[0], bus_name


def read_menu(desk):
    """The menu as the panel reads it: (label, enabled, toggle state, children) of each item that is seen."""
    path, bus_name = read_item(desk, "Menu")

    def unfold(item):
        _, properties, children = item
        return (properties.get("label", "-"), properties.get("enabled", True), properties.get("toggle-state", -1),
                [unfold(child) for child in children if child[1].get("visible", True)])

    layout = desk.call(bus_name, path, "com.canonical.dbusmenu", "GetLayout", GLib.Variant("(iias)", (0, -1, [])))
    return unfold(layout.unpack()[1])[3]


def find_item(desk, label):
    def search(items):
        for item in items:
            if item[0].replace("__", "\0").replace("_", "").replace("\0", "_") == label:
                return item
            below = search(item[3])
            if below:
                return below
        return None

    return search(read_menu(desk))


def click_item(desk, label):
    """With the mouse and the keys: opens the menu, goes down to the item, takes it; “A > B” goes into a submenu."""
    items = read_menu(desk)
    subprocess.run(["xdotool", "mousemove", str(ICON[0]), str(ICON[1]), "click", "3"], check=True)
    wait_for("the menu is open", menu_is_open, 3)
    keys = []
    for part in label.split(" > "):
        enabled = [item for item in items if item[0] != "-" and item[1]]
        names = [item[0].replace("__", "\0").replace("_", "").replace("\0", "_") for item in enabled]
        if keys:
            keys.append("Right")
        # Into a submenu: its first item is the present one already.
        keys += ["Down"] * (names.index(part) + (0 if keys else 1))
        items = enabled[names.index(part)][3]
    subprocess.run(["xdotool", "key", *keys], check=True)
    keep_picture(desk, "menu-" + label.replace(" > ", "-").replace(" ", "-"), ["-crop", "640x400+0+0"])
    subprocess.run(["xdotool", "key", "Return"], check=True)
    wait_for("the menu is closed", lambda: not menu_is_open(), 3)


def menu_is_open():
    """A menu is the only tall window of the panel's; tooltips are its others."""
    found = subprocess.run(["xdotool", "search", "--onlyvisible", "--class", "xfce4-panel|wrapper", "getwindowgeometry",
                            "--shell", "%@"], capture_output=True, text=True, check=False).stdout
    return any(int(line.split("=")[1]) > 100 for line in found.splitlines() if line.startswith("HEIGHT="))


def start_panel(desk):
    desk.panel = desk.start(["xfce4-panel", "--disable-wm-check"])


# --- tests ---

def test_without_tray(desk):
    """/contract/L6/tray/none"""
    desk.icons = {state: draw_icon(desk, state) for state in
                  ("disconnected", "connecting", "connected", "relaying", "paused", "error")}
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "xfce4/xfconf/xfce-perchannel-xml"
    folder.mkdir(parents=True)
    (folder / "xfce4-panel.xml").write_text(PANEL)
    desk.open_keyring()
    desk.start(["openbox"])
    set_setting("first-run-done", "true")
    desk.app = desk.start_app("--background")
    wait_for("the helper", lambda: find_helper(desk))
    wait_for("a window instead of the icon", lambda: subprocess.run(
        ["xdotool", "search", "--name", "^ModelRelay$"], capture_output=True, text=True, check=False).stdout)


def test_disconnected(desk):
    """/contract/L1/icon/disconnected"""
    start_panel(desk)
    wait_icon(desk, "disconnected", 10)
    wait_for("its words", lambda: "ModelRelay: " in read_item(desk, "Title")[0])
    wait_for("its name", lambda: read_item(desk, "IconName")[0] == f"{APP}-disconnected-symbolic")
    wait_for("why", lambda: find_item(desk, "The settings are not complete"))
    wait_for("nothing to pause", lambda: find_item(desk, "Pause") is None)


def test_connecting(desk):
    """/contract/L1/icon/connecting"""
    desk.backend_port, desk.relay_port = free_port(), free_port()
    desk.url = f"http://127.0.0.1:{desk.relay_port}"
    desk.start_backend(desk.backend_port, *MODELS)
    store_secret(desk.url)
    with socket.create_server(("127.0.0.1", desk.relay_port)):
        set_setting("backend-url", f"'http://127.0.0.1:{desk.backend_port}'")
        set_setting("relays", f"['{desk.url}']")
        wait_icon(desk, "connecting")


def test_error(desk):
    """/contract/L1/icon/error"""
    wait_icon(desk, "error")
    wait_for("why", lambda: any("Nothing answers" in item[0] for item in read_menu(desk)))
    click_item(desk, "Pause > Until resumed")
    wait_icon(desk, "paused")
    click_item(desk, "Resume")


def test_connected(desk):
    """/contract/L1/icon/connected"""
    desk.start_relay(desk.relay_port)
    wait_icon(desk, "connected", 15)
    line = f"Connected to 127.0.0.1:{desk.relay_port} · 2 models"
    wait_for("a line that says so", lambda: find_item(desk, line))
    wait_for("which does nothing", lambda: not find_item(desk, line)[1])
    wait_for("the model server", lambda: find_item(desk, f"Model server: 127.0.0.1:{desk.backend_port}"))


def test_models(desk):
    """/contract/L1/menu/models"""
    wait_for("both are checked", lambda: [find_item(desk, model)[2] for model in MODELS] == [1, 1])
    click_item(desk, f"Models > {MODELS[1]}")
    wait_for("the relay has one of them", lambda: read_models(desk.relay_port) == MODELS[:1])
    wait_for("the check is gone", lambda: find_item(desk, MODELS[1])[2] == 0)
    click_item(desk, f"Models > {MODELS[1]}")
    wait_for("the relay has both", lambda: sorted(read_models(desk.relay_port)) == MODELS)


def test_relaying(desk):
    """/contract/L1/icon/relaying"""
    stream = Stream(desk.relay_port, MODELS[0], 4000)
    wait_icon(desk, "relaying")
    wait_for("how many", lambda: find_item(desk, f"{MODELS[0]} (1 running)"))
    wait_for("how fast", lambda: any(item[0].startswith("Requests running: 1 (") for item in read_menu(desk)))
    wait_for("the words of the icon", lambda: "Relaying 1 request" in read_item(desk, "Title")[0])
    click_item(desk, "Stop at once")
    wait_for("it is stopped", lambda: stream.ended_at is not None and not stream.complete)


def test_paused(desk):
    """/contract/L1/icon/paused"""
    wait_icon(desk, "paused")
    click_item(desk, "Resume")
    wait_icon(desk, "connected")
    click_item(desk, "Pause > For 1 hour")
    wait_icon(desk, "paused")
    wait_for("the relay has no models", lambda: read_models(desk.relay_port) == [])
    click_item(desk, "Resume")
    wait_icon(desk, "connected")


def test_helper_killed(desk):
    """/contract/L1/helper-killed"""
    helper = find_helper(desk)
    began = time.monotonic()
    os.kill(helper, signal.SIGKILL)
    wait_for("another helper", lambda: find_helper(desk) not in (None, helper))
    wait_icon(desk, "connected", 3)
    if time.monotonic() - began > 1.5:
        raise Failure(f"its icon took {time.monotonic() - began:.1f} s")
    wait_for("its menu", lambda: find_item(desk, "Quit"))


def test_panel_killed(desk):
    """/contract/L1/panel-killed"""
    desk.panel.kill()
    wait_for("no icon", lambda: look(desk) is None)
    start_panel(desk)
    wait_icon(desk, "connected", 10)
    wait_for("its menu", lambda: find_item(desk, "Quit"))


def test_menu_stays_open(desk):
    """/contract/L1/menu/stays-open"""
    stream = Stream(desk.relay_port, MODELS[0], 100)
    wait_icon(desk, "relaying")
    subprocess.run(["xdotool", "mousemove", str(ICON[0]), str(ICON[1]), "click", "3"], check=True)
    wait_for("the menu is open", menu_is_open)
    wait_for("the request is over", lambda: stream.ended_at is not None)
    wait_for("and gone from the menu", lambda: not any("Requests running" in item[0] for item in read_menu(desk)))
    stays("the menu is open", menu_is_open, 0.2)
    subprocess.run(["xdotool", "key", "Escape"], check=True)


def test_app_killed(desk):
    """/contract/L1/app-killed"""
    helper = find_helper(desk)
    desk.app.kill()
    wait_for("the helper is gone", lambda: not Path(f"/proc/{helper}").exists(), 3)
    wait_for("so is the icon", lambda: look(desk) is None)


if __name__ == "__main__":
    run_tests([test_without_tray, test_disconnected, test_connecting, test_error, test_connected, test_models,
               test_relaying, test_paused, test_helper_killed, test_panel_killed, test_menu_stays_open,
               test_app_killed],
              {"app": sys.argv[1], "relay": sys.argv[2], "backend": sys.argv[3], "icons": sys.argv[4],
               "pictures": sys.argv[5] if len(sys.argv) > 5 else None})
