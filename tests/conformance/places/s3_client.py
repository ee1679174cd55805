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


def set_up(endpoint, bucket):
    """A user with a key that may do anything with S3, and a bucket with object lock. Three calls without a signature."""
    iam = client("iam", endpoint, ["none", "none"])
    iam.create_user(UserName="gateway")
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="gateway", PolicyName="s3", PolicyDocument=json.dumps(allow))
    made = iam.create_access_key(UserName="gateway")["AccessKey"]
    key = [made["AccessKeyId"], made["SecretAccessKey"]]
    client("s3", endpoint, key).create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    return key


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


def main():
    endpoint, command, bucket, *rest = sys.argv[1:]
    if command == "set_up":
        print(json.dumps(set_up(endpoint, bucket)))
        return
    key = [rest[0], rest[1]]
    answer = objects(endpoint, bucket, key) if command == "objects" else attack(endpoint, bucket, key, *rest[2:])
    print(json.dumps(answer))


main()
