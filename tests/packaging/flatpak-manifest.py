# SPDX-License-Identifier: MIT
"""The manifest (JSON, standard input) for a runtime that has all libraries: of its modules only the app's own stays.

  flatpak-manifest.py PLATFORM SDK BRANCH"""

import json
import sys

manifest = json.load(sys.stdin)
manifest["runtime"], manifest["sdk"], manifest["runtime-version"] = sys.argv[1:]
manifest["modules"] = [module for module in manifest["modules"] if module["name"] == "modelrelay"]
# Debian's SDK has not the program for it; what it reads is checked with the desktop app's other data.
manifest["appstream-compose"] = False
json.dump(manifest, sys.stdout)
