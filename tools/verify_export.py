#!/usr/bin/env python3
"""Verifies an IntentGate audit export offline, trusting nobody: not the gateway, not its database, not this archive.

    pip install cryptography
    python3 verify_export.py export.tar --key 'gateway.example/acme+1a2b3c4d+AQ...'

Needs the archive and the log's verifier key, which the auditor got from elsewhere; with --checkpoint it also proves that the
log continues the signed checkpoint that the auditor kept. Written from docs/reference/audit_export.md, not from the gateway's
code; both must agree on every archive. Exit code: 0 verified, 1 broken, 3 unproven, 2 wrong usage.
"""

import argparse, base64, hashlib, json, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "intentgate-audit-export-v1"
PART_EVENTS, BLOCK, MAX_SAFE, MAX_DEPTH, MAX_EVENT_BYTES = 1000, 512, 2**53 - 1, 128, 60000
MAX_PART_BYTES, MAX_MANIFEST_BYTES, MAX_NOTE_BYTES = PART_EVENTS * 60100, 1024 * 1024, 1024 * 1024
HASH, CONTROL = re.compile(r"[0-9a-f]{64}"), re.compile(r"[\x00-\x1f\x7f-\x9f]")
CHAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}|~unverified|~installation")
FILTERS = ("agent upstream tool decision check code event_code block_id approval decision_id from_time to_time").split()

class Broken(Exception):  # a code, and in what way the archive is not what it claims
    pass
def need(condition, code, what):
    if not condition:
        raise Broken(code, what)

# --- RFC 6962: the tree

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def node_hash(left, right):
    return sha256(b"\x01", left, right)
def split_point(size):
    return 1 << ((size - 1).bit_length() - 1)

class LeafRun:  # leaves in order, kept as the roots of the largest perfect subtrees
    def __init__(self, begin):
        self.begin, self.end, self.nodes = begin, begin, []  # nodes: (level, index, hash)
    def push(self, leaf):
        level, index, value = 0, self.end, leaf
        while self.nodes and self.nodes[-1][0] == level and self.nodes[-1][1] % 2 == 0:
            _, left_index, left = self.nodes.pop()
            level, index, value = level + 1, left_index // 2, node_hash(left, value)
        self.nodes.append((level, index, value))
        self.end += 1

def root_of_range(run, size, proof):
    """The root that the run and its proof lead to; None when the proof has too many or too few hashes."""
    known, rest = {(level, index): value for level, index, value in run.nodes}, list(reversed(proof))
    def visit(begin, end):
        if end <= run.begin or begin >= run.end:
            return rest.pop() if rest else None
        width = end - begin
        found = known.get((width.bit_length() - 1, begin // width)) if width & (width - 1) == 0 else None
        if found is not None or width == 1:
            return found
        middle = begin + split_point(width)
        left, right = visit(begin, middle), visit(middle, end)
        return None if left is None or right is None else node_hash(left, right)
    root = visit(0, size)
    return None if rest else root

def is_consistent(first, first_root, second, second_root, proof):
    """RFC 6962, section 2.1.2: both roots, computed from the proof's hashes, the topmost of which stands last."""
    rest = list(proof)
    def roots(m, n, is_whole):
        if m == n:
            node = first_root if is_whole else rest.pop()
            return node, node
        middle, sibling = split_point(n), rest.pop()
        if m <= middle:
            old, new = roots(m, middle, is_whole)
            return old, node_hash(new, sibling)
        old, new = roots(m - middle, n - middle, False)
        return node_hash(sibling, old), node_hash(sibling, new)
    try:
        found = (sha256(), second_root) if first == 0 else roots(first, second, True)
        return found == (first_root, second_root) and not rest
    except IndexError:
        return False

# --- Signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint)

def base64_bytes(text):
    """The bytes of base64 in its one canonical spelling, else None."""
    try:
        value = base64.b64decode(text, validate=True)
        return value if text and base64.b64encode(value).decode() == text else None
    except ValueError:
        return None

class Verifier:  # `name+keyid+base64(type, key)`; type 1 is a log's, type 4 a witness's
    def __init__(self, line, types=(1, 4)):
        match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", line.strip())
        raw = base64_bytes(match[3]) if match else None
        if raw is None or len(raw) != 33 or raw[0] not in types:
            raise ValueError(f"not a verifier key of this kind: {line!r}")
        self.name, self.key_id, self.type = match[1], match[2], raw[0]
        if sha256(self.name.encode() + b"\n", raw).hex()[:8] != self.key_id:
            raise ValueError(f"the key id does not fit the key: {line!r}")
        self.key = Ed25519PublicKey.from_public_bytes(raw[1:])
    def accepts(self, text, blob):
        message = text.encode()
        if self.type == 4:
            seconds = int.from_bytes(blob[:8], "big")
            if len(blob) != 72 or seconds > MAX_SAFE:
                return False
            message, blob = f"cosignature/v1\ntime {seconds}\n".encode() + message, blob[8:]
        try:
            self.key.verify(blob, message)
            return True
        except InvalidSignature:
            return False

def open_checkpoint(data, origin, keys, witnesses):
    """Size, root and names of the cosigners, each once; raises Broken("signature")."""
    note = utf8(data, "signature", "the note is not UTF-8")
    need(len(data) <= MAX_NOTE_BYTES and not re.search(r"[\x00-\x09\x0b-\x1f]", note), "signature",
         "the note is too long or has control characters")
    text, _, lines = note[:-1].rpartition("\n\n")
    need("\n\n" in note and note.endswith("\n") and lines.count("\n") < 100, "signature",
         "the note has no signatures, or too many")
    text, signed_by = text + "\n", set()
    for line in lines.split("\n"):
        match = re.fullmatch("\u2014 ([^\\s+]+) (\\S+)", line)  # without control characters, \\s is White_Space
        blob = base64_bytes(match[2]) if match else None
        need(blob is not None and len(blob) >= 5, "signature", f"not a signature line: {line[:100]!r}")
        for verifier in keys + witnesses:
            if (verifier.name, verifier.key_id) == (match[1], blob[:4].hex()):
                need(verifier.accepts(text, blob[4:]), "signature", f"the signature of {verifier.name!r} does not fit")
                signed_by.add(verifier)
    parts = text.split("\n")
    root = base64_bytes(parts[2]) if len(parts) > 3 else None
    need(parts[0] == origin, "signature", f"expected a checkpoint of {origin!r}, got {parts[0][:200]!r}")
    need(root is not None and len(root) == 32 and "" not in parts[3:-1] and re.fullmatch(r"0|[1-9][0-9]{0,15}", parts[1])
         and int(parts[1]) <= MAX_SAFE, "signature", "not a checkpoint")
    need(any(verifier in signed_by and verifier.name == origin for verifier in keys), "signature",
         f"no known key of {origin!r} has signed the checkpoint")
    return int(parts[1]), root, sorted({v.name for v in witnesses if v in signed_by}, key=utf16)

# --- The archive

def tar_header(name, size, time):
    head = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % time
    tail = b"0" + b"\0" * 100 + b"ustar\x0000" + b"\0" * 247
    return head + b"%06o\0 " % (sum(head) + 8 * 32 + sum(tail)) + tail

def read_tar(stream):
    """Names and contents of a plain ustar archive of regular files; raises Broken("archive") for anything else."""
    def take(length):
        data = stream.read(length)
        need(len(data) == length, "archive", "the archive ends too early")
        return data
    while True:
        header = take(BLOCK)
        if not any(header):
            break
        name = header[:100].rstrip(b"\0")
        need(re.fullmatch(rb"[\x21-\x7e]+", name) and re.fullmatch(rb"[0-7]{11}", header[124:135])
             and re.fullmatch(rb"[0-7]{11}", header[136:147]), "archive", "a header cannot be read")
        name, size = name.decode(), int(header[124:135], 8)
        is_plain = header == tar_header(name, size, int(header[136:147], 8))
        need(is_plain, "archive", f"the header of {name!r} is not that of a plain file")
        need(size <= MAX_PART_BYTES, "archive", f"{name!r} is too long")
        data = take(-(-size // BLOCK) * BLOCK)
        need(not any(data[size:]), "archive", f"bytes stand after {name!r}")
        yield name, data[:size]
    need(not any(take(BLOCK)) and not stream.read(1), "archive", "the end mark is not whole or not the end")

def from_hex(hashes):
    return [bytes.fromhex(h) for h in hashes]
def utf8(data, code, what):
    try:
        return data.decode("utf-8")
    except ValueError:
        raise Broken(code, what)
def utf16(text):
    return text.encode("utf-16-be", "surrogatepass")
def canonical(value):
    """RFC 8785 of what has whole numbers only; members stand in the order of their UTF-16 code units."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in sorted(value, key=utf16)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float) or isinstance(value, str) and "\0" in value:
        return ""  # which no JSON is equal to: such values must not be there
    return json.dumps(value, ensure_ascii=False)
def is_readable(value, depth=1):
    """Whether every reader can read it: not nested too deep, and without numbers that not everybody can hold."""
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return depth <= MAX_DEPTH and all(is_readable(member, depth + 1) for member in inner)
    return not isinstance(value, (int, float)) or -MAX_SAFE <= value <= MAX_SAFE

def next_file(files, wanted):
    name, data = next(files, ("the end", b""))
    need(name == wanted, "archive", f"expected {wanted!r}, found {name!r}")
    return data

def is_seq(value):
    return type(value) is int and 1 <= value <= MAX_SAFE
def is_hashes(value):
    return isinstance(value, list) and len(value) <= 256 and all(isinstance(h, str) and HASH.fullmatch(h) for h in value)

def is_text(value, longest, shortest=0):
    return isinstance(value, str) and shortest <= len(value) <= longest and not CONTROL.search(value)
def has_members(value, required, optional=()):
    return isinstance(value, dict) and set(required) <= set(value) <= set(required) | set(optional)
def is_claim(value):
    return (has_members(value, ["seq", "event", "proof"]) and is_seq(value["seq"]) and is_hashes(value["proof"])
            and isinstance(value["event"], str) and 1 <= len(value["event"].encode()) <= MAX_EVENT_BYTES)

def read_manifest(data, chain):
    def check(condition, what):
        need(condition, "manifest", what)
    check(len(data) <= MAX_MANIFEST_BYTES, "too long")
    try:
        text = data.decode()
        m = json.loads(text, parse_constant=int)
        check(canonical(m) == text, "not canonical JSON")
    except (ValueError, RecursionError):
        raise Broken("manifest", "not JSON in UTF-8")
    check(has_members(m, ["format", "origin", "log_id", "chain", "first", "last", "tree", "keys", "witness_keys",
                          "generator"], ["chain_hash", "consistency", "filter", "pruned"]), "members")
    check(m["format"] == FORMAT and is_text(m["origin"], 512, 1) and is_text(m["log_id"], 64, 1)
          and is_text(m["generator"], 200) and isinstance(m["chain"], str) and CHAIN.fullmatch(m["chain"]), "names")
    tree = m["tree"]
    check(has_members(tree, ["size", "range_proof"]) and is_hashes(tree["range_proof"])
          and all(map(is_seq, (tree["size"], m["first"], m["last"]))), "range or tree")
    for keys in (m["keys"], m["witness_keys"]):
        check(isinstance(keys, list) and len(keys) <= 16 and all(is_text(key, 600) for key in keys), "keys")
    if "chain_hash" in m:
        check(has_members(m["chain_hash"], ["before", "after"]) and is_hashes(list(m["chain_hash"].values())), "chain_hash")
    c = m.get("consistency", {"size": 1, "proof": []})
    check(has_members(c, ["size", "proof"]) and is_seq(c["size"]) and is_hashes(c["proof"]), "consistency")
    if "filter" in m:
        check(has_members(m["filter"], [], FILTERS) and all(is_text(v, 512) for v in m["filter"].values()), "filter")
    if "pruned" in m:
        check(has_members(m["pruned"], ["request", "event"]) and all(map(is_claim, m["pruned"].values())), "pruned")
    check(m["first"] <= m["last"] <= tree["size"], "the range is not one of the tree")
    check(m["origin"].endswith("/" + m["chain"]) and ("chain_hash" in m) != ("filter" in m), "origin, chain hashes or filter")
    need(chain in (None, m["chain"]), "wrong_chain", f"expected chain {chain!r}, the export is of {m['chain']!r}")
    return m

def member(value, *path):
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value

def read_event(line, m, where, codes=("event", "mixed_chain")):
    try:
        event = json.loads(line.decode(), parse_constant=int)  # int() refuses NaN and Infinity, which are no JSON
    except (ValueError, RecursionError):
        event = None
    need(isinstance(event, dict) and is_readable(event), codes[0], f"{where} is no JSON object that every reader can read")
    need([member(event, "metadata", name) for name in ("tenant_uid", "log_name")] == [m["chain"], m["log_id"]], codes[1],
         f"{where} is of another chain or log")
    return event

def read_prune(m):
    """What accounts for the events whose bodies are gone; None when none are. One operator asked for it, another did it."""
    if "pruned" not in m:
        return None
    claims, events = [m["pruned"]["request"], m["pruned"]["event"]], []
    for claim, code in zip(claims, ("audit.prune_requested", "audit.pruned")):
        events.append(read_event(claim["event"].encode(), m, code, ("pruned", "pruned")))
        need(member(events[-1], "metadata", "event_code") == code and canonical(events[-1]) == claim["event"], "pruned",
             f"expected {code!r} in canonical JSON")
    asked, done = [member(event, "entity", "data") for event in events]
    operators = [member(event, "unmapped", "operator", "id") for event in events]
    begin, to, size, owed, before = [member(done, n) for n in ("from", "to", "size", "owed", "chain_hash")]
    need(is_seq(begin) and is_seq(to) and begin <= to and to % 256 == 0 and is_hashes([before, member(done, "root")])
         and isinstance(owed, list) and len(owed) <= 1000 and all(isinstance(d, str) for d in owed)
         and to < claims[0]["seq"] < claims[1]["seq"] <= m["tree"]["size"]
         and is_seq(size) and to <= size < claims[1]["seq"], "pruned",
         "the prune cannot be read, or does not stand after what it is about")
    need(isinstance(done.get("request"), str) and done["request"] == member(events[0], "metadata", "uid")
         and is_seq(member(asked, "from")) and (asked["from"], member(asked, "to")) == (begin, to)
         and all(isinstance(name, str) for name in operators) and operators[0] != operators[1], "pruned",
         "the prune is not what two operators wanted")
    need(m["last"] > to and (m["first"] == 1 or m["first"] == to + 1
                             and m.get("chain_hash", {}).get("before", before) == before), "pruned",
         "the range does not fit the prune")
    return done

class EventCheck:  # chain hash and outcomes of the events in order
    def __init__(self, manifest, prune):
        self.m, self.open, self.hash = manifest, set(prune["owed"] if prune else []), None
        self.knows_open = manifest["first"] == 1 or prune is not None
        if "chain_hash" in manifest:
            self.hash = bytes.fromhex(manifest["chain_hash"]["before"])
            genesis = sha256(f"intentgate-audit-v1\0{manifest['log_id']}\0{manifest['chain']}".encode())
            need(manifest["first"] != 1 or genesis == self.hash, "chain_hash", "the chain does not begin with its genesis hash")
            if prune:
                self.hash = bytes.fromhex(prune["chain_hash"])
    def take(self, line, seq):
        event = read_event(line, self.m, f"event {seq}")
        if self.hash is not None:
            self.hash = sha256(self.hash, line)
        decision, code = member(event, "metadata", "correlation_uid"), member(event, "metadata", "event_code")
        if not isinstance(decision, str):
            return
        if code == "call.decided" and member(event, "unmapped", "decision") == "allow":
            self.open.add(decision)
        elif code == "call.ended" and decision in self.open:
            self.open.remove(decision)
        elif code == "call.ended" and self.knows_open and self.hash is not None:
            raise Broken("outcome", f"event {seq} is an outcome without an allow, or a second one")

def read_events(files, m, report):
    prune = read_prune(m)
    run, check = LeafRun(m["first"] - 1), EventCheck(m, prune)
    for name, data in files:
        first = run.end + 1
        is_next = first <= m["last"] and name == f"events/{first:016d}.ndjson"
        need(is_next, "parts", f"{name!r} is not the part that begins with event {first}")
        utf8(data, "event", f"{name!r} is not UTF-8")
        lines, count = data.split(b"\n"), min(PART_EVENTS, m["last"] - first + 1)
        need(lines.pop() == b"" and len(lines) == count, "parts", f"{name!r} has the wrong number of lines")
        for line in lines:
            digest = re.fullmatch(rb'\{"(redacted|pruned)":"([0-9a-f]{64})"\}', line)
            kind = digest[1] if digest else None
            need((kind == b"pruned") == (prune is not None and run.end < prune["to"]), "pruned",
                 f"event {run.end + 1} is gone where it must be there, or the other way round")
            need(kind != b"redacted" or "filter" in m, "event", f"event {run.end + 1} is redacted although there is no filter")
            if digest is None:
                check.take(line, run.end + 1)
            run.push(bytes.fromhex(digest[2].decode()) if digest else sha256(b"\x00", line))
            report["events"] += digest is None
            report["redacted"] += kind == b"redacted"
    need(run.end == m["last"], "parts", f"expected events up to {m['last']}, the archive ends with {run.end}")
    need("chain_hash" not in m or check.hash.hex() == m["chain_hash"]["after"], "chain_hash",
         "the events do not lead to the chain hash after them")
    report["open"] = len(check.open)
    return run, prune

def verify(stream, keys, witnesses, witnesses_needed, earlier_note, chain, report):
    """Fills the report; raises Broken."""
    files = read_tar(stream)
    m = read_manifest(next_file(files, "manifest.json"), chain)
    report.update(chain=m["chain"], first=m["first"], last=m["last"], size=m["tree"]["size"])
    note, root = next_file(files, "checkpoint"), None
    if keys:
        size, root, report["cosigners"] = open_checkpoint(note, m["origin"], keys, witnesses)
        need(size == m["tree"]["size"], "checkpoint", f"the checkpoint is of size {size}")
    run, prune = read_events(files, m, report)
    reached = root_of_range(run, m["tree"]["size"], from_hex(m["tree"]["range_proof"]))
    need(reached is not None and root in (None, reached), "root",
         "the range proof does not fit the range, or does not lead to the root of the checkpoint")
    for claim in m.get("pruned", {}).values():
        run = LeafRun(claim["seq"] - 1)
        run.push(sha256(b"\x00", claim["event"].encode()))
        stands = root_of_range(run, m["tree"]["size"], from_hex(claim["proof"])) == reached
        need(stands, "pruned", "the prune does not stand in the tree")
    if prune:
        report["pruned"] = {"first": 1, "last": prune["to"], "seq": m["pruned"]["event"]["seq"]}
    if root is None:
        return report.update(verdict="unproven", code="no_key")
    if earlier_note is not None:
        old, old_root, _ = open_checkpoint(earlier_note, m["origin"], keys, [])
        need(old <= size, "consistency", f"the log had {old} events before, the export's has {size}")
        proof = [] if old in (0, size) else None
        if proof is None and m.get("consistency", {}).get("size") == old:
            proof = from_hex(m["consistency"]["proof"])
        if proof is None:
            return report.update(verdict="unproven", code="no_consistency_proof")
        follows = is_consistent(old, old_root, size, root, proof)
        need(follows, "consistency", f"the log does not begin with its checkpoint of size {old}")
    if len(report["cosigners"]) < witnesses_needed:
        return report.update(verdict="unproven", code="not_cosigned")
    report.update(verdict="verified")

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", help="the export, '-' for standard input")
    parser.add_argument("--key", action="append", default=[], help="verifier key of the log; repeat while keys change over")
    parser.add_argument("--witness", action="append", default=[], help="verifier key of a witness")
    parser.add_argument("--witnesses-needed", type=int, choices=range(17), default=0, metavar="0-16")
    parser.add_argument("--checkpoint", help="file with a signed checkpoint that you kept")
    parser.add_argument("--chain", help="the tenant that the export must be of")
    args = parser.parse_args()
    try:
        keys, witnesses = [Verifier(line) for line in args.key], [Verifier(line, (4,)) for line in args.witness]
        earlier = open(args.checkpoint, "rb").read() if args.checkpoint else None
        stream = sys.stdin.buffer if args.archive == "-" else open(args.archive, "rb")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report = {"verdict": "broken", "events": 0, "redacted": 0, "open": 0, "cosigners": []}
    try:
        verify(stream, keys, witnesses, args.witnesses_needed, earlier, args.chain, report)
    except Broken as fault:
        report.update(verdict="broken", code=fault.args[0], detail=fault.args[1])
    print(json.dumps(report, indent=2))
    return {"verified": 0, "broken": 1, "unproven": 3}[report["verdict"]]

if __name__ == "__main__":
    sys.exit(main())
