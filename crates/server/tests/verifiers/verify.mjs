// Verifies requests with the reference library, and checks that it refuses each request with one byte changed. Reads
// one JSON object per line from standard input: {headers, body}. SECRETS has the accepted secrets, comma-separated.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { Webhook } from 'standardwebhooks';

const webhooks = process.env.SECRETS.split(',').map((secret) => new Webhook(secret));
let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { headers, body } = JSON.parse(line);
  for (const webhook of webhooks) {
    assert.equal(webhook.verify(body, headers).id, headers['webhook-id']);
    const bytes = Buffer.from(body);
    for (let place = 0; place < bytes.length; place += 1) {
      const flipped = Buffer.from(bytes);
      flipped[place] ^= 1;
      assert.throws(() => webhook.verify(flipped, headers), /signature/i, `byte ${place}`);
    }
  }
  count += 1;
}
console.log(`${count} verified`);
