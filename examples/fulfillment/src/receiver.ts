// Receives events: verifies the signature, processes the event once, and only then responds.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { isOrderPaid, type Event } from './events.ts';
import type { Shop } from './shop.ts';

const MAX_BODY_BYTES = 1024 * 1024;

export function createReceiver(secret: string, shop: Shop): Server {
  const webhook = new Webhook(secret);
  return createServer(async (request, response) => {
    const respond = (status: number, text: string) => response.writeHead(status).end(`${text}\n`);
    if (request.method !== 'POST') return respond(405, 'method not allowed');
    try {
      // Verify the raw body. Parsed and serialized again, it would have a different signature.
      const body = await readBody(request);
      const event = webhook.verify(body, request.headers as Record<string, string>) as Event;
      return respond(200, handle(event, shop));
    } catch (error) {
      if (error instanceof WebhookVerificationError) return respond(401, 'invalid signature');
      console.error('failed to process an event; Quittance will retry it', error);
      return respond(500, 'try again later');
    }
  });
}

/** Processes an event and returns the outcome. Unknown event types are ignored. */
function handle(event: Event, shop: Shop): string {
  if (!isOrderPaid(event)) return 'ignored';
  const outcome = shop.fulfill(event.id, event.data) ? 'fulfilled' : 'already fulfilled';
  console.log(`${event.data.id} ${outcome} (${event.id})`);
  return outcome;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Error('request body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
