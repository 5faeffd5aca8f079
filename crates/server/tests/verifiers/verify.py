"""Verifies requests with the reference library, and checks that it refuses each request with one byte changed.

Reads one JSON object per line from standard input: {headers, body}. SECRETS has the accepted secrets, comma-separated.
"""

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
            # The library cannot decode a body that is no longer valid UTF-8.
            try:
                webhook.verify(bytes(flipped), headers)
            except (WebhookVerificationError, UnicodeDecodeError):
                continue
            raise AssertionError(f"byte {place}")
    count += 1
print(f"{count} verified")
