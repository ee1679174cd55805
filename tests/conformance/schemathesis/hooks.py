"""What lets schemathesis try everything: addresses that are not throttled, and idempotency keys that are new."""

import itertools
import re

import requests
import urllib3.connectionpool
import urllib3.util.connection

connect = urllib3.util.connection.create_connection
numbers = itertools.count(2)


def connect_from_elsewhere(address, *args, **kwargs):
    """Every connection has an address of its own: failed attempts are throttled per address, and are a part of the test."""
    number = next(numbers)
    source = f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return connect(address, *args, **{**kwargs, "source_address": (source, 0)})


def close_connection(_pool, connection):
    if connection is not None:
        connection.close()


urllib3.util.connection.create_connection = connect_from_elsewhere
urllib3.connectionpool.HTTPConnectionPool._put_conn = close_connection

KEY = re.compile(r'("[ !#-\[\]-~]{1,100}"|[A-Za-z0-9._~:+/=-]{1,100})')


send = requests.Session.send


def send_with_new_key(session, request, **kwargs):
    """The same few keys with ever other requests would meet nothing but 422; every eighth goes out as it was made."""
    key = request.headers.get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key) and next(numbers) % 8 != 0:
        request.headers["Idempotency-Key"] = f'"{key.strip(chr(34))} {next(numbers)}"'
    return send(session, request, **kwargs)


requests.Session.send = send_with_new_key
