import { mkdirSync } from 'node:fs';
import { createReceiver } from './receiver.ts';
import { Shop } from './shop.ts';

const secret = process.env['WEBHOOK_SECRET'];
if (!secret) {
  console.error('WEBHOOK_SECRET is not set. Create an endpoint with POST /v1/webhook_endpoints to get the secret.');
  process.exit(1);
}
const directory = process.env['RECORDS'] ?? 'records';
mkdirSync(directory, { recursive: true });
const server = createReceiver(secret, new Shop(directory));
server.listen(Number(process.env['PORT'] ?? 4000), '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : address;
  console.log(`Listening on http://127.0.0.1:${port}/, records in ${directory}`);
});
process.on('SIGTERM', () => server.close(() => process.exit(0)));
