import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';

/**
 * A session as a process leaves it that is stopped at the worst moment: in a transaction that ran `statement`, and in the
 * middle of the next one, of which the server has been sent the first message and not the last. `ended` resolves when the
 * server ends it.
 */
export async function holdUp(url: string, statement: string): Promise<{ ended: Promise<unknown> }> {
  const { searchParams, pathname, username } = new URL(url);
  const socket = connect(join(searchParams.get('host') ?? '', '.s.PGSQL.5432'));
  const ended = once(socket, 'close');
  socket.on('error', () => {});
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk.toString('latin1');
  });
  const message = (type: string, body: string) => {
    const header = Buffer.alloc(4);
    header.writeInt32BE(body.length + 4);
    return Buffer.concat([Buffer.from(type), header, Buffer.from(body, 'latin1')]);
  };
  /** Until the server waits for the next statement, in this state: `I` outside of a transaction, `T` within one. */
  const ready = async (state: string) => {
    while (!said.endsWith(`Z\0\0\0\x05${state}`)) await once(socket, 'data');
    said = '';
  };
  const protocol = '\0\x03\0\0';
  socket.write(message('', `${protocol}user\0${username}\0database\0${pathname.slice(1)}\0\0`));
  await ready('I');
  socket.write(message('Q', 'begin\0'));
  await ready('T');
  socket.write(message('Q', `${statement}\0`));
  await ready('T');
  // Parse and Flush, and no Sync.
  socket.write(Buffer.concat([message('P', 'unfinished\0select 1\0\0\0'), message('H', '')]));
  while (!said.startsWith('1')) await once(socket, 'data');
  return { ended };
}
