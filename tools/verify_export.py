#!/usr/bin/env python3
"""Verifies an IntentGate audit export offline, trusting nobody: not the gateway, not its database, not this archive.

    pip install cryptography
    python3 verify_export.py export.tar --key 'gateway.example/acme+1a2b3c4d+AQ...'

Needs the archive and the log's verifier key, which the auditor got from elsewhere. With --checkpoint, a signed checkpoint
that the auditor kept, it also proves that the log continues it. Written from docs/reference/audit_export.md, independently of
the gateway's own code; both must agree on every archive. Exit code: 0 verified, 1 broken, 3 unproven, 2 wrong usage.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "intentgate-audit-export-v1"
PART_EVENTS, BLOCK, MAX_SAFE = 1000, 512, 2**53 - 1
MAX_PART_BYTES = PART_EVENTS * 60100
MAX_MANIFEST_BYTES = 1024 * 1024
HASH = re.compile(r"[0-9a-f]{64}")

class Broken(Exception):  # the archive is not what it claims
    def __init__(self, code, detail):
        super().__init__(detail)
        self.code = code

# --- RFC 6962: the tree

def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()

def node_hash(left, right):
    return sha256(b"\x01", left, right)

def split_point(size):
    half = 1
    while half * 2 < size:
        half *= 2
    return half

class LeafRun:  # leaves in order, kept as the roots of the largest perfect subtrees
    def __init__(self, begin):
        self.begin = self.end = begin
        self.nodes = []  # (level, index, hash)

    def push(self, leaf):
        level, index, value = 0, self.end, leaf
        while self.nodes and self.nodes[-1][0] == level and self.nodes[-1][1] % 2 == 0:
            _, left_index, left = self.nodes.pop()
            level, index, value = level + 1, left_index // 2, node_hash(left, value)
        self.nodes.append((level, index, value))
        self.end += 1

def root_of_range(run, size, proof):
    """The root that the run and its proof lead to; None when the proof has too many or too few hashes."""
    known = {(level, index): value for level, index, value in run.nodes}
    rest = list(reversed(proof))

    def visit(begin, end):
        if end <= run.begin or begin >= run.end:
            return rest.pop() if rest else None
        width = end - begin
        if width & (width - 1) == 0:
            found = known.get((width.bit_length() - 1, begin // width))
            if found is not None:
                return found
        if width == 1:
            return None
        middle = begin + split_point(width)
        left, right = visit(begin, middle), visit(middle, end)
        return None if left is None or right is None else node_hash(left, right)
    root = visit(0, size)
    return None if rest else root

def is_consistent(first, first_root, second, second_root, proof):
    """RFC 9162, section 2.1.4.2."""
    if first == 0:
        return not proof and first_root == sha256()
    if first == second:
        return not proof and first_root == second_root
    path = ([first_root] if first & (first - 1) == 0 else []) + proof
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for value in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(value, fr), node_hash(value, sr)
            while fn & 1 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, value)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root

# --- Signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint)

def base64_bytes(text):
    """The bytes of base64 in its one canonical spelling, else None."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if text and base64.b64encode(value).decode() == text else None

class Verifier:  # `name+keyid+base64(type, key)`; type 1 is a log's, type 4 a witness's
    def __init__(self, line):
        match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", line.strip())
        raw = base64_bytes(match[3]) if match else None
        if raw is None or len(raw) != 33 or raw[0] not in (1, 4):
            raise ValueError(f"not a verifier key: {line!r}")
        self.name, self.key_id, self.type = match[1], match[2], raw[0]
        if sha256(self.name.encode() + b"\n", raw).hex()[:8] != self.key_id:
            raise ValueError(f"the key id does not fit the key: {line!r}")
        self.key = Ed25519PublicKey.from_public_bytes(raw[1:])

    def accepts(self, text, blob):
        message = text.encode()
        if self.type == 4:
            if len(blob) != 72:
                return False
            seconds = int.from_bytes(blob[:8], "big")
            if seconds > MAX_SAFE:
                return False
            message, blob = f"cosignature/v1\ntime {seconds}\n".encode() + message, blob[8:]
        try:
            self.key.verify(blob, message)
            return True
        except InvalidSignature:
            return False

def open_checkpoint(note, origin, keys, witnesses):
    """Size, root and names of the cosigners; raises Broken("signature")."""

    def refuse(why):
        raise Broken("signature", why)
    if len(note) > 1024 * 1024 or any(ord(c) < 32 and c != "\n" for c in note):
        refuse("the note is too long or has control characters")
    if "\n\n" not in note or not note.endswith("\n"):
        refuse("the note has no signatures")
    text, _, lines = note[:-1].rpartition("\n\n")
    text += "\n"
    lines = lines.split("\n")
    if len(lines) > 100:
        refuse("the note has too many signatures")
    signed_by = set()
    for line in lines:
        match = re.fullmatch("\u2014 ([^\\s+]+) (\\S+)", line)
        blob = base64_bytes(match[2]) if match else None
        if blob is None or len(blob) < 5:
            refuse(f"not a signature line: {line[:100]!r}")
        for verifier in keys + witnesses:
            if (verifier.name, verifier.key_id) == (match[1], blob[:4].hex()):
                if not verifier.accepts(text, blob[4:]):
                    refuse(f"the signature of {verifier.name!r} does not fit")
                signed_by.add(verifier)
    parts = text.split("\n")
    root = base64_bytes(parts[2]) if len(parts) > 3 else None
    if parts[0] != origin:
        refuse(f"expected a checkpoint of {origin!r}, got {parts[0][:200]!r}")
    if root is None or len(root) != 32 or "" in parts[3:-1] or not re.fullmatch(r"0|[1-9][0-9]{0,15}", parts[1]):
        refuse("not a checkpoint")
    if int(parts[1]) > MAX_SAFE:
        refuse("the size is too large")
    if not any(verifier in signed_by and verifier.name == origin for verifier in keys):
        refuse(f"no known key of {origin!r} has signed the checkpoint")
    return int(parts[1]), root, sorted({v.name for v in witnesses if v in signed_by})

# --- The archive

def tar_header(name, size, time):
    def field(text, length):
        return text.encode().ljust(length, b"\0")
    head = field(name, 100) + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % time
    tail = b"0" + b"\0" * 100 + b"ustar\x0000" + b"\0" * 247
    total = sum(head) + 8 * 32 + sum(tail)
    return head + b"%06o\0 " % total + tail

def read_tar(stream):
    """Names and contents of a plain ustar archive of regular files; raises Broken("archive") for anything else."""

    def take(length):
        data = stream.read(length)
        if len(data) != length:
            raise Broken("archive", "the archive ends too early")
        return data
    while True:
        header = take(BLOCK)
        if not any(header):
            break
        name = header[:100].rstrip(b"\0")
        if not (re.fullmatch(rb"[\x21-\x7e]+", name) and re.fullmatch(rb"[0-7]{11}", header[124:135])
                and re.fullmatch(rb"[0-7]{11}", header[136:147])):
            raise Broken("archive", "a header cannot be read")
        name, size = name.decode(), int(header[124:135], 8)
        if header != tar_header(name, size, int(header[136:147], 8)):
            raise Broken("archive", f"the header of {name!r} is not that of a plain file")
        if size > MAX_PART_BYTES:
            raise Broken("archive", f"{name!r} is too long")
        data = take(-(-size // BLOCK) * BLOCK)
        if any(data[size:]):
            raise Broken("archive", f"bytes stand after {name!r}")
        yield name, data[:size]
    if any(take(BLOCK)) or stream.read(1):
        raise Broken("archive", "the end mark is not whole or not the end")

def next_file(files, wanted):
    name, data = next(files, ("the end", b""))
    if name != wanted:
        raise Broken("archive", f"expected {wanted!r}, found {name!r}")
    return data

def read_manifest(data, chain):
    def need(condition, what):
        if not condition:
            raise Broken("manifest", what)

    def is_seq(value):
        return type(value) is int and 1 <= value <= MAX_SAFE

    def is_text(value, longest):
        return isinstance(value, str) and 1 <= len(value.encode("utf-16-le", "surrogatepass")) // 2 <= longest

    def is_hashes(value):
        return isinstance(value, list) and len(value) <= 256 and all(
            isinstance(h, str) and HASH.fullmatch(h) for h in value)

    def has_members(value, required, optional=()):
        return isinstance(value, dict) and set(required) <= set(value) <= set(required) | set(optional)
    need(len(data) <= MAX_MANIFEST_BYTES, "too long")
    try:
        text = data.decode("utf-8")
        m = json.loads(text, parse_constant=int)
        need(json.dumps(m, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text, "not canonical JSON")
    except (ValueError, RecursionError):
        raise Broken("manifest", "no JSON")
    need(has_members(m, ["format", "origin", "log_id", "chain", "first", "last", "tree", "keys", "witness_keys",
                         "generator"], ["chain_hash", "consistency", "filter"]), "members")
    need(m["format"] == FORMAT, "format")
    need(is_text(m["origin"], 512) and is_text(m["log_id"], 64) and is_text(m["chain"], 64), "names")
    need(isinstance(m["generator"], str) and (m["generator"] == "" or is_text(m["generator"], 200)), "generator")
    need(is_seq(m["first"]) and is_seq(m["last"]), "range")
    tree = m["tree"]
    need(has_members(tree, ["size", "range_proof"]) and is_seq(tree["size"]) and is_hashes(tree["range_proof"]), "tree")
    for name in ("keys", "witness_keys"):
        need(isinstance(m[name], list) and len(m[name]) <= 16, name)
        need(all(key == "" or is_text(key, 600) for key in m[name]), name)
    if "chain_hash" in m:
        need(has_members(m["chain_hash"], ["before", "after"]) and is_hashes(list(m["chain_hash"].values())), "chain_hash")
    if "consistency" in m:
        c = m["consistency"]
        need(has_members(c, ["size", "proof"]) and is_seq(c["size"]) and is_hashes(c["proof"]), "consistency")
    if "filter" in m:
        need(isinstance(m["filter"], dict), "filter")
        need(all((k == "" or is_text(k, 64)) and (v == "" or is_text(v, 512)) for k, v in m["filter"].items()), "filter")
    need(m["first"] <= m["last"] <= tree["size"], "the range is not one of the tree")
    need(m["origin"].endswith("/" + m["chain"]), "the origin is not that of the chain")
    need(("chain_hash" in m) != ("filter" in m), "either chain hashes or a filter")
    if chain is not None and chain != m["chain"]:
        raise Broken("wrong_chain", f"expected chain {chain!r}, the export is of {m['chain']!r}")
    return m

class EventCheck:  # chain hash, tenant and outcomes of the events in order
    def __init__(self, manifest):
        self.m, self.open, self.hash = manifest, set(), None
        if "chain_hash" in manifest:
            self.hash = bytes.fromhex(manifest["chain_hash"]["before"])
            genesis = sha256(f"intentgate-audit-v1\0{manifest['log_id']}\0{manifest['chain']}".encode())
            if manifest["first"] == 1 and genesis != self.hash:
                raise Broken("chain_hash", "the chain does not begin with its genesis hash")

    def take(self, line, seq):
        try:
            event = json.loads(line.decode(), parse_constant=int)  # int() refuses NaN and Infinity, which are no JSON
        except (ValueError, RecursionError):
            raise Broken("event", f"event {seq} is no JSON")
        if not isinstance(event, dict):
            raise Broken("event", f"event {seq} is no JSON object")
        metadata = event.get("metadata") if isinstance(event.get("metadata"), dict) else {}
        if metadata.get("tenant_uid") != self.m["chain"] or metadata.get("log_name") != self.m["log_id"]:
            raise Broken("mixed_chain", f"event {seq} is of another chain or log")
        if self.hash is not None:
            self.hash = sha256(self.hash, line)
        decision, code = metadata.get("correlation_uid"), metadata.get("event_code")
        if not isinstance(decision, str):
            return
        if code == "call.decided":
            if isinstance(event.get("unmapped"), dict) and event["unmapped"].get("decision") == "allow":
                self.open.add(decision)
        elif code == "call.ended":
            if decision in self.open:
                self.open.remove(decision)
            elif self.m["first"] == 1 and self.hash is not None:
                raise Broken("outcome", f"event {seq} is an outcome without an allow, or a second one")

def read_events(files, m, report):
    run, check = LeafRun(m["first"] - 1), EventCheck(m)
    for name, data in files:
        first = run.end + 1
        if first > m["last"] or name != f"events/{first:016d}.ndjson":
            raise Broken("parts", f"{name!r} is not the part that begins with event {first}")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise Broken("event", f"{name!r} is not UTF-8")
        lines = data.split(b"\n")
        if lines.pop() != b"" or len(lines) != min(PART_EVENTS, m["last"] - first + 1):
            raise Broken("parts", f"{name!r} has the wrong number of lines")
        for line in lines:
            redacted = re.fullmatch(rb'\{"redacted":"([0-9a-f]{64})"\}', line)
            if redacted is None:
                check.take(line, run.end + 1)
                run.push(sha256(b"\x00", line))
                report["events"] += 1
            elif "filter" not in m:
                raise Broken("event", f"event {run.end + 1} is redacted although there is no filter")
            else:
                run.push(bytes.fromhex(redacted[1].decode()))
                report["redacted"] += 1
    if run.end != m["last"]:
        raise Broken("parts", f"expected events up to {m['last']}, the archive ends with {run.end}")
    if "chain_hash" in m and check.hash.hex() != m["chain_hash"]["after"]:
        raise Broken("chain_hash", "the events do not lead to the chain hash after them")
    report["open"] = len(check.open)
    return run

def verify(stream, keys, witnesses, witnesses_needed, earlier_note, chain, report):
    """Fills the report; raises Broken."""
    files = read_tar(stream)
    m = read_manifest(next_file(files, "manifest.json"), chain)
    report.update(chain=m["chain"], first=m["first"], last=m["last"], size=m["tree"]["size"])
    note = next_file(files, "checkpoint").decode("utf-8", "replace")
    root = None
    if keys:
        size, root, report["cosigners"] = open_checkpoint(note, m["origin"], keys, witnesses)
        if size != m["tree"]["size"]:
            raise Broken("checkpoint", f"the checkpoint is of size {size}")
    run = read_events(files, m, report)
    reached = root_of_range(run, m["tree"]["size"], [bytes.fromhex(h) for h in m["tree"]["range_proof"]])
    if reached is None:
        raise Broken("root", "the range proof does not fit the range")
    if root is None:
        return report.update(verdict="unproven", code="no_key")
    if reached != root:
        raise Broken("root", "the events do not lead to the root of the checkpoint")
    if earlier_note is not None:
        old, old_root, _ = open_checkpoint(earlier_note, m["origin"], keys, [])
        if old > size:
            raise Broken("consistency", f"the log had {old} events before, the export's has {size}")
        proof = [] if old in (0, size) else None
        if proof is None and m.get("consistency", {}).get("size") == old:
            proof = [bytes.fromhex(h) for h in m["consistency"]["proof"]]
        if proof is None:
            return report.update(verdict="unproven", code="no_consistency_proof")
        if not is_consistent(old, old_root, size, root, proof):
            raise Broken("consistency", f"the log does not begin with its checkpoint of size {old}")
    if len(report["cosigners"]) < witnesses_needed:
        return report.update(verdict="unproven", code="not_cosigned")
    report["verdict"] = "verified"

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", help="the export, '-' for standard input")
    parser.add_argument("--key", action="append", default=[], help="verifier key of the log; repeat while keys change over")
    parser.add_argument("--witness", action="append", default=[], help="verifier key of a witness")
    parser.add_argument("--witnesses-needed", type=int, default=0)
    parser.add_argument("--checkpoint", help="file with a signed checkpoint that you kept")
    parser.add_argument("--chain", help="the tenant that the export must be of")
    args = parser.parse_args()
    try:
        keys, witnesses = [Verifier(line) for line in args.key], [Verifier(line) for line in args.witness]
        earlier = open(args.checkpoint, encoding="utf-8", newline="").read() if args.checkpoint else None
        stream = sys.stdin.buffer if args.archive == "-" else open(args.archive, "rb")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report = {"verdict": "broken", "events": 0, "redacted": 0, "open": 0, "cosigners": []}
    try:
        verify(stream, keys, witnesses, args.witnesses_needed, earlier, args.chain, report)
    except Broken as fault:
        report.update(verdict="broken", code=fault.code, detail=str(fault))
    print(json.dumps(report, indent=2))
    return {"verified": 0, "broken": 1, "unproven": 3}[report["verdict"]]

if __name__ == "__main__":
    sys.exit(main())
