"""Files of the host's room that need no host, imported alone."""

import importlib
import sys
import types

from tests.quick.unit.test_rooms import ROOT

PACKAGE = "pack_without_a_host"


def import_host_file(name: str):
    """The module nodes/host/{name}.py, inside packages whose own files are not run."""
    for package, folder in ((PACKAGE, "."), (f"{PACKAGE}.nodes", "nodes"), (f"{PACKAGE}.nodes.host", "nodes/host")):
        empty = sys.modules.setdefault(package, types.ModuleType(package))
        empty.__path__ = [str(ROOT / folder)]
    return importlib.import_module(f"{PACKAGE}.nodes.host.{name}")
