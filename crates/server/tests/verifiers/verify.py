"""Verifies requests with the reference library, and that it refuses each with one byte changed. Reads them from
standard input, one JSON object a line: {headers, body}. SECRETS are those that must accept, comma-separated."""

import json
import os
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhooks = [Webhook(secret) for secret in os.environ["SECRETS"].split(",")]
count = 0
for line in sys.stdin:
    request = json.loads(line)
    headers, body = request["headers"], request["body"].encode()
    for webhook in webhooks:
        assert webhook.verify(body, headers)["id"] == headers["webhook-id"]
        for place in range(len(body)):
            flipped = bytearray(body)
            flipped[place] ^= 1
            # Where a byte makes no UTF-8 any more, the library can not even read the text.
            try:
                webhook.verify(bytes(flipped), headers)
            except (WebhookVerificationError, UnicodeDecodeError):
                continue
            raise AssertionError(f"byte {place}")
    count += 1
print(f"{count} verified")
