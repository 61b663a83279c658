"""The English texts of the pack's nodes, as the frontend looks them up in `locales/`.

`python -m tests.host.locale_texts` starts a host and writes locales/en/nodeDefs.json anew.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.host.live_host import HOW_TO_GET_ONE, PACK, LiveHost, find_host

ENGLISH = PACK / "locales" / "en" / "nodeDefs.json"


def is_ours(definition: dict[str, Any]) -> bool:
    return definition.get("python_module", "") == "custom_nodes.motion-inversion"


def collect_texts(definitions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Names, descriptions and tooltips of each node of `/object_info`, by the frontend's keys."""
    return {name: _node_texts(definition) for name, definition in sorted(definitions.items()) if is_ours(definition)}


def _node_texts(definition: dict[str, Any]) -> dict[str, Any]:
    inputs = definition["input"].get("required", {}) | definition["input"].get("optional", {})
    outputs = zip(definition["output_name"], definition["output_tooltips"], strict=True)
    return {
        "display_name": definition["display_name"],
        "description": definition["description"],
        "inputs": {
            name: _socket_texts(name, rest[0].get("tooltip") if rest else None) for name, (_, *rest) in inputs.items()
        },
        "outputs": {str(index): _socket_texts(name, tooltip) for index, (name, tooltip) in enumerate(outputs)},
    }


def _socket_texts(name: str, tooltip: str | None) -> dict[str, str]:
    return {"name": name} | ({"tooltip": tooltip} if tooltip else {})


def write_english(host: LiveHost) -> None:
    ENGLISH.parent.mkdir(parents=True, exist_ok=True)
    texts = collect_texts(host.ask("/object_info"))
    ENGLISH.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    root = find_host()
    if root is None:
        raise SystemExit(HOW_TO_GET_ONE)
    with tempfile.TemporaryDirectory() as folder:
        live = LiveHost(root, Path(folder))
        live.start()
        try:
            write_english(live)
        finally:
            live.stop()
