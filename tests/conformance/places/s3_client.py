"""An administrator and an attacker of a bucket, as boto3 makes them: `s3_client.py <endpoint> <command> …`, answers in JSON."""
import json
import sys

import boto3
from botocore.exceptions import ClientError

REGION = "us-east-1"


def client(kind, endpoint, key):
    return boto3.client(
        kind, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=key[0], aws_secret_access_key=key[1]
    )


def user(iam, name, statements):
    """Makes a user and its key. Three calls."""
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="s3", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return [made["AccessKeyId"], made["SecretAccessKey"]]


def set_up(endpoint, bucket):
    """A bucket with object lock and two keys: the owner's, and the gateway's, with what the reference page says that it needs."""
    iam = client("iam", endpoint, ["none", "none"])
    owner = user(iam, "owner", [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    objects_actions = ["PutObject", "PutObjectRetention", "GetObject", "GetObjectVersion", "GetObjectRetention"]
    at = f"arn:aws:s3:::{bucket}"
    gateway = user(iam, "gateway", [
        {"Effect": "Allow", "Action": "s3:ListBucketVersions", "Resource": at},
        {"Effect": "Allow", "Action": [f"s3:{name}" for name in objects_actions], "Resource": f"{at}/*"},
    ])
    client("s3", endpoint, owner).create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return {"owner": owner, "gateway": gateway}


def objects(endpoint, bucket, key):
    """Every version of every object, with its lock."""
    s3 = client("s3", endpoint, key)
    found = []
    for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
        at = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
        got = s3.get_object(**at)
        found.append({
            "key": version["Key"],
            "version": version["VersionId"],
            "mode": got["ObjectLockMode"],
            "until": got["ObjectLockRetainUntilDate"].timestamp(),
            "body": got["Body"].read().decode(),
        })
    return found


def attack(endpoint, bucket, key, name, version):
    """What an owner of the account might try against one locked version; the code of each refusal."""
    s3 = client("s3", endpoint, key)
    at = {"Bucket": bucket, "Key": name, "VersionId": version}
    tries = {
        "delete": lambda: s3.delete_object(**at),
        "overwrite": lambda: s3.put_object(Bucket=bucket, Key=name, Body=b"forged", IfNoneMatch="*"),
        "delete_bypassing": lambda: s3.delete_object(**at, BypassGovernanceRetention=True),
    }
    codes = {}
    for attempt, run in tries.items():
        try:
            run()
            codes[attempt] = "done"
        except ClientError as error:
            codes[attempt] = error.response["Error"]["Code"]
    return codes


def hide(endpoint, bucket, key):
    """Puts a delete marker on every object, which no lock forbids; what a plain listing then still shows."""
    s3 = client("s3", endpoint, key)
    for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=found["Key"])
    return [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def main():
    endpoint, command, bucket, *rest = sys.argv[1:]
    if command == "set_up":
        print(json.dumps(set_up(endpoint, bucket)))
        return
    key = [rest[0], rest[1]]
    commands = {"objects": objects, "attack": attack, "hide": hide}
    print(json.dumps(commands[command](endpoint, bucket, key, *rest[2:])))


main()
