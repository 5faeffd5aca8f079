// Posts COUNT messages with graphile-worker: one job each, signed like the messages of the service. Runs until killed.
import { createHmac } from 'node:crypto';
import http from 'node:http';
import { run, runMigrations } from 'graphile-worker';
import pg from 'pg';

const { DATABASE_URL: connectionString, TARGET, BODY, SECRET } = process.env;
const concurrency = Number(process.env.CONCURRENCY);
const key = Buffer.from(SECRET, 'base64');
const agent = new http.Agent({ keepAlive: true, maxSockets: concurrency });

function post({ id, body }) {
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
  return new Promise((resolve, reject) => {
    const request = http.request(TARGET, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => (response.statusCode < 300 ? resolve() : reject(new Error(response.statusCode))));
    });
    request.on('error', reject);
    request.end(body);
  });
}

await runMigrations({ connectionString });
const client = new pg.Client({ connectionString });
await client.connect();
await client.query(
  `SELECT count(graphile_worker.add_job('post', json_build_object('id', 'job_' || $3::text || n, 'body', $1::text)))
   FROM generate_series(1, $2::int) AS n`,
  [BODY, Number(process.env.COUNT), process.env.ROUND],
);
await client.end();
await run({
  connectionString,
  concurrency,
  maxPoolSize: concurrency,
  noHandleSignals: true,
  taskList: { post },
});
