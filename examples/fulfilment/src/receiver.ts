// Takes events: verifies, acts once, and only then says that it was taken.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { isOrderPaid, type Event } from './events.ts';
import type { Shop } from './shop.ts';

const LONGEST_BODY = 1024 * 1024;

export function receiver(secret: string, shop: Shop): Server {
  const webhook = new Webhook(secret);
  return createServer(async (request, response) => {
    const answer = (status: number, text: string) => response.writeHead(status).end(`${text}\n`);
    if (request.method !== 'POST') return answer(405, 'POST only');
    try {
      // The bytes as they came: what is parsed and written again has another signature.
      const body = await read(request);
      const event = webhook.verify(body, request.headers as Record<string, string>) as Event;
      return answer(200, take(event, shop));
    } catch (error) {
      if (error instanceof WebhookVerificationError) return answer(401, 'not signed with our secret');
      console.error('an event could not be taken; it comes again', error);
      return answer(500, 'try again');
    }
  });
}

/** What came of an event. Types that this receiver does not know are taken, and change nothing. */
function take(event: Event, shop: Shop): string {
  if (!isOrderPaid(event)) return 'not for me';
  const isNew = shop.fulfil(event.id, event.data);
  console.log(`${event.data.id} ${isNew ? 'is being fulfilled' : 'was here before'} (${event.id})`);
  return isNew ? 'fulfilled' : 'was here before';
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new Error('the body is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
