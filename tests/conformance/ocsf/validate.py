"""Validates events against the schema of OCSF that PyPI ocsf-json-schema carries: validate.py VERSION FILE.ndjson
Prints one JSON array with a list of faults for every line. Never uses the network: a try ends the program."""
import json
import socket
import sys


def no_network(*_args, **_kwargs):
    raise RuntimeError("validation must not use the network")


socket.socket = no_network
socket.create_connection = no_network
socket.getaddrinfo = no_network

import jsonschema  # noqa: E402
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema  # noqa: E402

VERSION = sys.argv[1]
RAW = get_ocsf_schema(VERSION)
SCHEMAS = OcsfJsonSchemaEmbedded(RAW)
VALIDATORS = {}


def validator(name, profiles):
    key = (name, tuple(sorted(profiles)))
    if key not in VALIDATORS:
        schema = SCHEMAS.get_class_schema(name, list(key[1]))
        VALIDATORS[key] = jsonschema.Draft202012Validator(schema)
    return VALIDATORS[key]


def faults_of(event):
    metadata = event.get("metadata", {})
    profiles = metadata.get("profiles", [])
    try:
        name = SCHEMAS.lookup_class_name_from_uid(event.get("class_uid"))
    except ValueError as error:
        return [str(error)]
    attributes = RAW["classes"][name]["attributes"]
    errors = validator(name, profiles).iter_errors(event)
    faults = [f"{'/'.join(map(str, error.absolute_path)) or '.'}: {error.message[:200]}" for error in errors]
    faults += rules(event, attributes, profiles, RAW["classes"][name]["profiles"])
    if metadata.get("version") != VERSION:
        faults.append(f"metadata/version: expected {VERSION}, found {metadata.get('version')}")
    return faults


def rules(event, attributes, profiles, known_profiles):
    """What OCSF says in words and JSON Schema cannot."""
    class_uid, activity = event.get("class_uid"), event.get("activity_id")
    if event.get("type_uid") != class_uid * 100 + activity:
        yield f"type_uid: expected {class_uid * 100 + activity}, found {event.get('type_uid')}"
    if event.get("category_uid") != class_uid // 1000:
        yield f"category_uid: expected {class_uid // 1000}, found {event.get('category_uid')}"
    for profile in profiles:
        if profile not in known_profiles:
            yield f"metadata/profiles: the class has no profile {profile}"
        if not any(name in event for name in attributes if profile in (attributes[name].get("profiles") or [])):
            yield f"metadata/profiles: {profile} is claimed, and nothing of it is there"
    for name, value in event.items():
        enum, sibling = attributes.get(name, {}).get("enum"), attributes.get(name, {}).get("sibling")
        if enum is None or sibling is None:
            continue
        caption = enum.get(str(value), {}).get("caption")
        if value == 99 and sibling not in event:
            yield f"{name}: 99 says that {sibling} names it"
        if value != 99 and sibling in event and event[sibling] != caption:
            yield f"{sibling}: expected {caption!r} beside {name} {value}, found {event[sibling]!r}"


with open(sys.argv[2], encoding="utf-8") as lines:
    print(json.dumps([faults_of(json.loads(line)) for line in lines if line.strip()]))
