#!/bin/sh
# Makes a folder of Python code small and quick to start: compile.sh FOLDER MODULE ...
# Byte code is written for what these modules load, and for nothing else; where an image is read-only it could not be
# written later. The Kubernetes client's classes for each API group go: objects are read as they are.
set -eu

folder=$1
shift
find "$folder" -name __pycache__ -type d -prune -exec rm -rf {} +
find "$folder/kubernetes" -path '*/client/api/*_api.py' -delete
PYTHONPATH=$folder python3 - "$@" <<'END'
import importlib
import pkgutil
import sys

for name in sys.argv[1:]:
    module = importlib.import_module(name)
    if name.startswith("lvs_"):
        for one in pkgutil.walk_packages(module.__path__, f"{name}."):
            importlib.import_module(one.name)
END
