"""Writes token.json: cases for docs/reference/token.md, made from that page with the standard library only.

Shares no code with the gateway. Run: python3 tests/vectors/make_token_vectors.py [--example]
--example prints the worked example of the page instead.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import struct
import sys

MASTER = {"k1": bytes(range(32)), "k2": bytes(range(32, 64))}
AUD = "log-01JABCDEF"
NOW = 1_800_000_000
DAY = 86_400
UPSTREAM_CALL = {"upstream": "acme", "method": "tools/call", "name": "read_invoice", "arguments": {"id": "inv-7"}}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(text):
    data = text.encode()
    return struct.pack(">I", len(data)) + data


def token_key(kid):
    prk = hmac.new(bytes(32), MASTER[kid], hashlib.sha256).digest()
    info = part("intentgate-key-v1") + part("token") + part(kid) + part("")
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def encode(block):
    """A dict as compact JSON; str and bytes go in as they are."""
    if isinstance(block, dict):
        block = json.dumps(block, separators=(",", ":"), ensure_ascii=False)
    if isinstance(block, str):
        block = block.encode()
    return b64(block)


def chain(blocks, kid="k1", key=None):
    """Texts of the blocks and all their tags."""
    texts = [encode(block) for block in blocks]
    tags = []
    for index, text in enumerate(texts):
        secret = tags[-1] if tags else (key or token_key(kid))
        message = ("ig1." if index == 0 else "") + text
        tags.append(hmac.new(secret, message.encode(), hashlib.sha256).digest())
    return texts, tags


def join(texts, tag):
    return "ig1." + ".".join(texts) + "." + b64(tag)


def token(*blocks, kid="k1", key=None):
    texts, tags = chain(blocks, kid, key)
    return join(texts, tags[-1])


def block_ids(text):
    texts = text.split(".")[1:-1]
    ids = []
    for count in range(1, len(texts) + 1):
        prefix = "ig1." + ".".join(texts[:count])
        ids.append(b64(hashlib.sha256(b"ig1-id\x00" + prefix.encode()).digest()))
    return ids


def root(**changes):
    block = {
        "kid": "k1",
        "jti": b64(bytes(range(16))),
        "iss": "intentgate",
        "aud": AUD,
        "tenant": "acme",
        "sub": "invoice-agent",
        "iat": NOW - 60,
        "exp": NOW + DAY,
        "upstreams": ["acme"],
        "tools": ["read_*", "list_vendors", "acme__pay_invoice"],
    }
    block.update(changes)
    return {name: value for name, value in block.items() if value is not None}


def root_expiry(text):
    block = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(block + "=" * (-len(block) % 4)))["exp"]


def facts(text, **changes):
    ids = block_ids(text)
    expected = {
        "tenant": "acme",
        "agent": "invoice-agent",
        "root_block_id": ids[0],
        "block_ids": ids,
        "delegates": [],
        "jti": b64(bytes(range(16))),
        "issued_at": NOW - 60,
        "expires_at": NOW + DAY,
        "root_expires_at": root_expiry(text),
        "restrictions": ["exp", "upstreams", "tools"],
        "named_exactly": False,
    }
    expected.update(changes)
    return {name: value for name, value in expected.items() if value is not None}


CASES = []


def add(name, text, expected, **context):
    call = dict(UPSTREAM_CALL, **context.pop("call", {}))
    case = {"name": name, "text": text, "call": call, **context}
    if isinstance(expected, str):
        case["expected"] = {"code": expected}
    else:
        case["expected"] = {"ok": True, "facts": expected}
    CASES.append(case)


def allow(name, text, restrictions=None, call=None, context=None, **changed):
    if restrictions is not None:
        changed["restrictions"] = restrictions
    add(name, text, facts(text, **changed), **({"call": call} if call else {}), **(context or {}))


def refuse(name, text, code="invalid_token", **context):
    add(name, text, code, **context)


BASE = ["exp", "upstreams", "tools"]
EXAMPLE_ROOT = root(max_calls=100)
EXAMPLE_LATER = {"delegate": "report-writer", "tools": ["read_invoice"], "max_calls": 3, "exp": NOW + 300}


def example():
    return token(EXAMPLE_ROOT, EXAMPLE_LATER)


def accepted():
    text = example()
    ids = block_ids(text)
    allow(
        "worked example", text, BASE + ["max_calls"], delegates=["report-writer"], expires_at=NOW + 300,
        max_calls=[{"block_id": ids[0], "max": 100}, {"block_id": ids[1], "max": 3}],
    )
    allow("one block", token(root()))
    allow("a key that is not the active one", token(root(kid="k2"), kid="k2"))
    allow("members in another order and with spaces", token(json.dumps(dict(reversed(list(root().items()))), indent=1)),
          ["tools", "upstreams", "exp"])
    allow("an empty later block", token(root(), {}))
    allow("sixteen blocks", token(root(), *[{"delegate": f"d{n}"} for n in range(15)]),
          delegates=[f"d{n}" for n in range(15)])
    allow("not ASCII in a name", token(root(sub="Rechnungs-Agent ü 💶")), agent="Rechnungs-Agent ü 💶")
    allow("not before now", token(root(nbf=NOW)), BASE + ["nbf"])
    allow("issued 30 s ahead", token(root(iat=NOW + 30)), issued_at=NOW + 30)
    allow("expires in one second", token(root(exp=NOW + 1)), expires_at=NOW + 1)
    allow("lives exactly the maximum", token(root(iat=NOW, exp=NOW + 90 * DAY)), issued_at=NOW, expires_at=NOW + 90 * DAY)
    allow("a later exp in a later block changes nothing", token(root(), {"exp": NOW + 2 * DAY}))
    allow("all upstreams and all tools", token(root(upstreams=["*"], tools=["*"])))
    allow("named exactly in block 0", token(root(tools=["read_*", "read_invoice"])), named_exactly=True)
    allow("named exactly with its upstream", token(root()), call={"name": "pay_invoice"}, named_exactly=True)
    allow("named exactly by a later block only is not named exactly", token(root(), {"tools": ["read_invoice"]}))
    allow("a tool with two underscores, named with its upstream", token(root(tools=["acme__read__all"])),
          call={"name": "read__all"}, named_exactly=True)
    allow("arguments inside args", token(root(args=AMOUNT)), BASE + ["args"],
          call={"name": "pay_invoice", "arguments": {"amount": 500, "currency": "EUR", "note": "x"}}, named_exactly=True)
    allow("args of another tool", token(root(args=AMOUNT)), BASE + ["args"])
    allow("optional property left out", token(root(args={"read_invoice": {"type": "object", "properties": {
        "page": {"type": "integer", "maximum": 3, "optional": True}}}})), BASE + ["args"])
    allow("max_calls of zero is the budget check's to refuse", token(root(max_calls=0)), BASE + ["max_calls"],
          max_calls=[{"block_id": block_ids(token(root(max_calls=0)))[0], "max": 0}])
    discovery = dict(named_exactly=None)
    allow("tools/list", token(root()), call={"method": "tools/list", "name": "", "arguments": {}}, **discovery)
    allow("initialize although methods names only tools/call", token(root(methods=["tools/call"])),
          BASE + ["methods"], call={"method": "initialize", "name": "", "arguments": {}}, **discovery)
    allow("a prompt that both blocks permit", token(root(prompts=["*"]), {"prompts": ["acme__sum*"]}),
          BASE + ["prompts"], call={"method": "prompts/get", "name": "summary"}, **discovery)
    allow("a resource below a folder", token(root(resources=["file:///srv/**"])), BASE + ["resources"],
          call={"method": "resources/read", "name": "file:///srv/a/b.txt"}, **discovery)
    parent = token(root())
    child = token(root(), {"delegate": "a"})
    allow("a parent whose child is revoked", parent, context={"revoked": [block_ids(child)[1]]})
    allow("a sibling of a revoked child", token(root(), {"delegate": "b"}), delegates=["b"],
          context={"revoked": [block_ids(child)[1]]})


AMOUNT = {"pay_*": {"type": "object", "properties": {
    "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 500},
    "currency": {"type": "string", "enum": ["EUR", "USD"]},
}}}


def refused_text():
    texts, tags = chain([root(), {"tools": ["read_invoice"]}, {"delegate": "x"}])
    full = join(texts, tags[-1])
    refuse("no token", "", "missing_token")
    refuse("not a token", "hello")
    refuse("another version", "ig2." + full[4:])
    refuse("upper-case prefix", "IG1." + full[4:])
    refuse("no tag", "ig1." + texts[0])
    refuse("no block", "ig1." + b64(tags[0]))
    refuse("empty block", join([texts[0], ""], tags[0]))
    refuse("wrong tag", join(texts, bytes(32)))
    refuse("tag of the parent", join(texts, tags[1]))
    refuse("tag of 31 bytes", join(texts, tags[2][:31]))
    refuse("tag of 33 bytes", join(texts, tags[2] + b"\x00"))
    refuse("dropped last block", join(texts[:2], tags[2]))
    refuse("dropped middle block", join([texts[0], texts[2]], tags[2]))
    refuse("dropped root block", join(texts[1:], tags[2]))
    refuse("reordered blocks", join([texts[0], texts[2], texts[1]], tags[2]))
    refuse("repeated block", join([texts[0], texts[1], texts[1], texts[2]], tags[2]))
    refuse("truncated block", join([texts[0][:-4]] + texts[1:], tags[2]))
    refuse("block 0 replaced by one with more tools", join([encode(root(tools=["*"]))] + texts[1:], tags[2]))
    refuse("block re-serialised with the same meaning", join([encode(json.dumps(root()))] + texts[1:], tags[2]))
    refuse("padding after the tag", full + "=")
    sub = next(s for s in ("a", "aa", "aaa") if len(encode(root(sub=s))) % 4)
    padded = encode(root(sub=sub)) + "=" * (-len(encode(root(sub=sub))) % 4)
    tag = hmac.new(token_key("k1"), ("ig1." + padded).encode(), hashlib.sha256).digest()
    refuse("padding in a block, tag computed over it", join([padded], tag))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = full[:-1] + alphabet[alphabet.index(full[-1]) | 1]
    refuse("spare base64 bits in the tag", spare)
    short = encode(root(sub=sub))
    loose = short[:-1] + alphabet[alphabet.index(short[-1]) | 1]
    tag = hmac.new(token_key("k1"), ("ig1." + loose).encode(), hashlib.sha256).digest()
    refuse("spare base64 bits in a block, tag computed over it", join([loose], tag))
    urlsafe = next(t for t in (token(root(sub=f"agent-{n}")) for n in range(100)) if "-" in t[4:] and "_" in t[4:])
    refuse("standard base64 alphabet", urlsafe.replace("-", "+").replace("_", "/"))
    refuse("line break inside", full[:40] + "\n" + full[40:])
    refuse("space at the end", full + " ")
    refuse("seventeen blocks", token(root(), *[{} for _ in range(16)]))
    refuse("more than 8 KiB", token(root(), {"delegate": "x" * 190, "methods": ["y" * 200] * 30}))
    refuse("another deployment's master key", token(root(), key=hashlib.sha256(b"other").digest()))
    refuse("key id that the ring does not have", token(root(kid="k9"), key=token_key("k1")))
    refuse("key id of another key of the ring", token(root(kid="k2"), kid="k1"))


def refused_content():
    raw = json.dumps(root(), separators=(",", ":"))
    refuse("duplicate name in block 0", token(raw[:-1] + ',"tools":["*"]}'))
    refuse("duplicate name in a later block", token(root(), '{"tools":["read_invoice"],"tools":["*"]}'))
    refuse("duplicate name spelled with an escape", token(root(), '{"tools":["x"],"t\\u006fols":["*"]}'))
    refuse("duplicate name deep inside args", token(root(), '{"args":{"*":{"type":"object","type":"object"}}}'))
    refuse("__proto__", token(root(), '{"__proto__":{}}'))
    refuse("byte order mark", token(b"\xef\xbb\xbf" + raw.encode()))
    refuse("invalid UTF-8", token(raw.encode().replace(b"invoice-agent", b"invoice\xff")))
    refuse("lone surrogate", token(raw.replace("invoice-agent", "\\ud800")))
    refuse("control character in sub", token(root(sub="a\u0000b")))
    refuse("block is an array", token(root(), "[]"))
    refuse("text after the object", token(root(), "{} {}"))
    refuse("number that is not what it parses to", token(root(), '{"max_calls":9007199254740993}'))
    refuse("deeply nested", token(root(), '{"args":' + "[" * 40 + "]" * 40 + "}"))
    foreign = b64(bytes(range(100, 116)))
    for name, value in [("jti", foreign), ("sub", "admin"), ("tenant", "other"), ("aud", AUD), ("kid", "k1"),
                        ("iss", "x"), ("iat", NOW)]:
        title = "a copied foreign jti in a later block" if name == "jti" else f"{name} in a later block"
        refuse(title, token(root(), {name: value}))
    for name in ("usr", "act", "src"):
        refuse(f"reserved {name} in block 0", token(root(**{name: "x"})))
        refuse(f"reserved {name} in a later block", token(root(), {name: "x"}))
    refuse("delegate in block 0", token(root(delegate="x")))
    for name in ("kid", "jti", "iss", "aud", "tenant", "sub", "iat", "exp", "upstreams", "tools"):
        refuse(f"block 0 without {name}", token(root(**{name: None})))
    refuse("jti of 15 bytes", token(root(jti=b64(bytes(15)))))
    refuse("exp not later than iat", token(root(iat=NOW, exp=NOW)))
    refuse("exp with a fraction", token(root(exp=NOW + 0.5)))
    refuse("exp as text", token(root(exp=str(NOW + DAY))))
    refuse("tenant with an upper-case letter", token(root(tenant="Acme")))
    refuse("unknown restriction in block 0", token(root(risk_max=3)))
    refuse("unknown restriction in a later block", token(root(), {"risk_max": 3}))
    refuse("a restriction in another case", token(root(), {"Deny_Tools": ["*"]}))
    refuse("rate, which nothing enforces", token(root(rate={"calls": 1, "per_seconds": 60})))
    refuse("max_cost, which nothing enforces", token(root(), {"max_cost": {"amount": "5", "currency": "EUR"}}))
    refuse("cnf, which nothing enforces", token(root(), {"cnf": {"jkt": "A" * 43}}))
    refuse("max_calls without a budget check", token(root(max_calls=1)), enforced=[])
    refuse("negative max_calls", token(root(), {"max_calls": -1}))
    refuse("tools as text", token(root(), {"tools": "*"}))
    refuse("an empty tool name", token(root(), {"tools": [""]}))
    for title, schema in BAD_SCHEMAS.items():
        refuse(f"args: {title}", token(root(), {"args": {"*": schema}}))


def prop(**schema):
    return {"type": "object", "properties": {"a": schema}}


BAD_SCHEMAS = {
    "no type": {"properties": {}},
    "property without type": prop(minimum=1),
    "unknown keyword": prop(type="string", pattern="^a+$"),
    "keyword of another type": prop(type="string", minimum=1),
    "$ref": {"type": "object", "$ref": "#"},
    "list of types": prop(type=["string", "null"]),
    "outermost type string": {"type": "string"},
    "additionalProperties as schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "required and optional": {"type": "object", "properties": {"a": {"type": "null", "optional": True}}, "required": ["a"]},
    "optional on items": prop(type="array", items={"type": "string", "optional": True}),
    "empty enum": prop(type="string", enum=[]),
    "enum of another type": prop(type="string", enum=[1]),
    "enum and const": prop(type="string", enum=["a"], const="a"),
    "negative maxLength": prop(type="string", maxLength=-1),
    "bound that is null": prop(type="number", maximum=None),
    "65 nodes": {"type": "object", "properties": {f"p{n}": {"type": "null"} for n in range(64)}},
}


def refused_place_and_time():
    base = token(root())
    refuse("another audience", token(root(aud="log-OTHER")))
    refuse("a tenant that does not exist", token(root(tenant="nobody")))
    refuse("expired", token(root(exp=NOW)), "expired_token")
    refuse("expired by a later block", token(root(), {"exp": NOW - 1}), "expired_token")
    refuse("not valid yet", token(root(nbf=NOW + 1)), "not_yet_valid")
    refuse("not valid yet by a later block", token(root(), {"nbf": NOW + 1}), "not_yet_valid")
    refuse("issued 31 s ahead", token(root(iat=NOW + 31)), "not_yet_valid")
    long = root(iat=NOW, exp=NOW + 90 * DAY + 1)
    refuse("lives longer than the maximum", token(long))
    refuse("lives longer than the maximum, shortened by a later block", token(long, {"exp": NOW + 10}))
    child = token(root(), {"delegate": "a"})
    grandchild = token(root(), {"delegate": "a"}, {"delegate": "b"})
    refuse("revoked", base, "revoked_token", revoked=[block_ids(base)[0]])
    refuse("revoked parent", grandchild, "revoked_token", revoked=[block_ids(grandchild)[1]])
    refuse("revoked root", child, "revoked_token", revoked=[block_ids(child)[0]])
    refuse("revoked child", child, "revoked_token", revoked=[block_ids(child)[1]])


def refused_scope():
    def out(title, text, **call):
        refuse(title, text, "not_available", call=call)

    out("another upstream", token(root()), upstream="other")
    out("another upstream, initialize", token(root()), upstream="other", method="initialize", name="", arguments={})
    out("a tool that is not named", token(root()), name="delete_vendor")
    out("names are case-sensitive", token(root()), name="Read_invoice")
    out("an empty tool list", token(root(tools=[])))
    out("a later block that names another tool", token(root(), {"tools": ["list_vendors"]}))
    out("a later block cannot widen tools", token(root(), {"tools": ["*"]}), name="delete_vendor")
    out("a later block cannot widen upstreams", token(root(), {"upstreams": ["*"]}), upstream="other")
    out("a denied tool", token(root(deny_tools=["*_invoice"])))
    out("a tool denied by a later block", token(root(), {"deny_tools": ["acme__read_*"]}))
    out("a tool with two underscores is denied by its whole name", token(root(tools=["*"], deny_tools=["read__all"])),
        name="read__all")
    out("a tool of another upstream that looks like a qualified name",
        token(root(upstreams=["*"])), upstream="evil", name="acme__pay_invoice")
    out("a tool that only another upstream's entry names", token(root(upstreams=["*"])), upstream="evil", name="pay_invoice")
    out("a name of 513 characters", token(root(tools=["*"])), name="x" * 513)
    out("methods without tools/call", token(root(methods=["tools/list"])))
    out("methods without tools/list", token(root(methods=["tools/call"])), method="tools/list", name="", arguments={})
    out("a method that no token can cover", token(root()), method="completion/complete", name="read_invoice")
    out("a prompt without prompts", token(root()), method="prompts/get", name="summary")
    out("prompts only in a later block", token(root(), {"prompts": ["*"]}), method="prompts/get", name="summary")
    out("a resource without resources", token(root()), method="resources/read", name="file:///a")
    out("a resource with dot segments", token(root(resources=["file:///srv/**"])), method="resources/read",
        name="file:///srv/../etc/passwd")
    out("an encoded slash in a resource", token(root(resources=["file:///srv/*"])), method="resources/read",
        name="file:///srv/..%2Fetc")
    out("one asterisk does not cross a slash", token(root(resources=["file:///srv/*"])), method="resources/read",
        name="file:///srv/a/b")

    def bad(name, **arguments):
        refuse(f"arguments: {name}", token(root(args=AMOUNT)), "arguments_refused",
               call={"name": "pay_invoice", "arguments": arguments})

    bad("over the bound", amount=501, currency="EUR")
    bad("at an exclusive bound", amount=0, currency="EUR")
    bad("another type", amount="5", currency="EUR")
    bad("null", amount=None, currency="EUR")
    bad("left out", currency="EUR")
    bad("not in enum", amount=5, currency="GBP")
    bad("the same name in another case beside it", amount=5, Amount=9999, currency="EUR")
    refuse("arguments: a member that nothing declares", token(root(args={"read_invoice": {
        "type": "object", "properties": {}, "additionalProperties": False}})), "arguments_refused")
    refuse("arguments: later block narrows", token(root(), {"args": {"acme__read_*": prop(type="string")}}),
           "arguments_refused")
    refuse("arguments: item of an array", token(root(args={"*": {"type": "object", "properties": {
        "ids": {"type": "array", "maxItems": 3, "items": {"type": "string", "glob": "inv-*"}}}}})),
        "arguments_refused", call={"arguments": {"ids": ["inv-1", "usr-2"]}})


def chains():
    out = []
    for blocks in ([EXAMPLE_ROOT, EXAMPLE_LATER], [root()], [root(), {}, {"delegate": "ü"}, {"tools": ["<a>&b"]}]):
        texts, tags = chain(blocks)
        text = join(texts, tags[-1])
        out.append({"text": text, "block_ids": block_ids(text), "tags": [b64(tag) for tag in tags]})
    return out


def print_example():
    texts, tags = chain([EXAMPLE_ROOT, EXAMPLE_LATER])
    ids = block_ids(join(texts, tags[-1]))
    for index, block in enumerate([EXAMPLE_ROOT, EXAMPLE_LATER]):
        print(f"Block {index} as JSON, in base64url, its tag and its block id:\n\n```")
        print(json.dumps(block, separators=(",", ":"), ensure_ascii=False))
        print(texts[index])
        print(b64(tags[index]))
        print(f"{ids[index]}\n```\n")
    print(f"The attenuated token:\n\n```\n{join(texts, tags[-1])}\n```")


def main():
    if "--example" in sys.argv:
        print_example()
        return
    accepted()
    refused_text()
    refused_content()
    refused_place_and_time()
    refused_scope()
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
    document = {
        "about": "Cases for docs/reference/token.md. Each case overrides `defaults`: `now` (epoch seconds), `audience`, "
        "`tenants` that exist, `max_lifetime_seconds`, `enforced` (restrictions that another configured check enforces), "
        "`revoked` (block ids). `text` is the bearer value (empty: no token), `expected` either {ok, facts} (facts of the "
        "capability check) or {code}. `chains` gives the block ids and all tags of some tokens. Never use this key ring.",
        "generator": "tests/vectors/make_token_vectors.py",
        "key_ring": {"active": "k1", "keys": {kid: b64(key) for kid, key in MASTER.items()}},
        "defaults": {"now": NOW, "audience": AUD, "tenants": ["acme", "default", "other"],
                     "max_lifetime_seconds": 90 * DAY, "enforced": ["max_calls"], "revoked": []},
        "chains": chains(),
        "cases": CASES,
    }
    path = pathlib.Path(__file__).with_name("token.json")
    path.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")
    print(f"{path}: {len(CASES)} cases")


main()
