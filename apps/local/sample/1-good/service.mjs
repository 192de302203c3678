// A small HTTP service: greets, says which commit it is, and whether it is healthy.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const greeting = readFileSync(process.env.GREETING_FILE, 'utf8').trim();
const commit = readFileSync('commit.txt', 'utf8').trim();

const server = createServer((request, response) => {
  if (request.url === '/healthz') return response.end('healthy\n');
  response.end(`${greeting} I am ${commit.slice(0, 12)} on ${process.env.STARLING_MACHINE}.\n`);
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`listening on ${process.env.PORT}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
