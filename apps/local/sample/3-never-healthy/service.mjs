// A small HTTP service with a mistake in it: it never finds its data, and so is never healthy.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const greeting = readFileSync(process.env.GREETING_FILE, 'utf8').trim();

const server = createServer((request, response) => {
  if (request.url === '/healthz') {
    console.error('the table data/tables.bin is missing');
    return response.writeHead(500).end('the table is missing\n');
  }
  response.end(`${greeting}\n`);
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`listening on ${process.env.PORT}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
