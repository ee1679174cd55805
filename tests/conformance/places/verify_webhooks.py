"""Verifies webhooks with PyPI `standardwebhooks`: a secret and deliveries in, as JSON; who was refused out."""
import json
import sys

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


def main():
    order = json.load(sys.stdin)
    webhook = Webhook(order["secret"])
    verdicts = []
    for delivery in order["deliveries"]:
        try:
            webhook.verify(delivery["body"], delivery["headers"])
            verdicts.append("verified")
        except WebhookVerificationError as error:
            verdicts.append(str(error))
    print(json.dumps(verdicts))


main()
