"""Writes tool_digest.json: digests of tool definitions, made from the description in core/tool_digest.ts only.

Shares no code with the gateway; RFC 8785 comes from PyPI (rfc8785 0.1.4). Run: python3 tests/vectors/make_tool_digest_vectors.py
"""

import hashlib
import json
import pathlib
import re

import rfc8785

MEMBERS = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")

TOOLS = {
    "smallest": {"name": "a", "inputSchema": {}},
    "everything that counts": {
        "name": "pay_invoice",
        "title": "Pay",
        "description": "Pays an invoice\nand nothing else",
        "inputSchema": {
            "type": "object",
            "properties": {"id": {"type": "string"}, "amount": {"type": "number", "maximum": 1e21, "minimum": -0.0}},
            "required": ["id"],
        },
        "outputSchema": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
        "annotations": {"destructiveHint": True, "x-own": [1, 2.5, None]},
    },
    "what does not count": {
        "name": "pay_invoice",
        "inputSchema": {"type": "object"},
        "icons": [{"src": "https://example.com/i.png"}],
        "_meta": {"at": 1},
        "execution": {"taskSupport": "optional"},
    },
    "order of members does not matter": {"inputSchema": {"b": 1, "a": 2, "10": 3, "9": 4}, "name": "o"},
    "unicode is not normalised": {"name": "café", "description": "cafe\u0301 \U0001f600 \ue000", "inputSchema": {}},
    "wrong types count too": {"name": "w", "description": 7, "title": None, "inputSchema": {}, "annotations": "no"},
    "member order by UTF-16": {"name": "u", "inputSchema": {"\U0001f600": 1, "\ufb33": 2, "\u20ac": 3}},
}
# Literals that json.dumps cannot write: put into the text afterwards.
BEYOND, BELOW = "literal 1e400", "literal -1e400"
REJECTED = {
    "U+0000 in a description": {"name": "z", "description": "a\u0000b", "inputSchema": {}},
    "lone surrogate in a name of a property": {"name": "z", "inputSchema": {"properties": {"\ud800": {}}}},
    "number beyond the largest double": {"name": "z", "inputSchema": {"properties": {"n": {"maximum": BEYOND}}}},
    "number below the smallest double": {"name": "z", "inputSchema": {}, "annotations": {"least": BELOW}},
}


def digest(tool):
    document = {name: tool[name] for name in MEMBERS if name in tool}
    text = rfc8785.dumps(document)
    return "v1:" + hashlib.sha256(b"intentgate-tool-v1\x00" + text).hexdigest()


def main():
    deep = {"name": "d", "inputSchema": {}}
    for _ in range(70):
        deep["inputSchema"] = {"items": deep["inputSchema"]}
    vectors = {
        "accept": [{"what": what, "tool": tool, "digest": digest(tool)} for what, tool in TOOLS.items()],
        "reject": [{"what": what, "tool": tool} for what, tool in {**REJECTED, "nested too deep": deep}.items()],
    }
    path = pathlib.Path(__file__).parent / "tool_digest.json"
    text = json.dumps(vectors, indent=1, ensure_ascii=True)
    path.write_text(re.sub(r'"literal ([-0-9e]+)"', r"\1", text) + "\n")


main()
