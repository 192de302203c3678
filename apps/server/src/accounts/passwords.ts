import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { StarlingError } from '@starling/shared/errors.ts';

// Passwords are kept as argon2id, in the PHC form that names its parameters, so that they can be raised: a password is
// hashed anew when its owner signs in. The parameters are OWASP's for argon2id (19 MiB, 2 passes, 1 lane).

const memoryKib = 19_456;
const passes = 2;
const saltBytes = 16;
const tagBytes = 32;
/** Each takes memory and a thread of four; who waits longer than this many others is told to come back. */
const mostAtOnce = 3;
const mostWaiting = 64;

/** NIST SP 800-63B: length counts, rules on its composition do not. */
export const leastPasswordLength = 12;
const mostPasswordLength = 256;
const commonest = ['password', 'passw0rd', '123456789', 'qwerty', 'letmein', 'starling', 'iloveyou', 'abc123', 'admin'];

/** Throws INVALID_INPUT with what a password lacks. */
export function insistGoodPassword(password: string, accountName: string): void {
  const bad = (message: string) =>
    new StarlingError('INVALID_INPUT', `password: ${message}`, {
      field: 'password',
      fix: 'Take a few words that only you would put together, or one that a password manager makes.',
    });
  if (password.length < leastPasswordLength) throw bad(`has fewer than ${leastPasswordLength} characters`);
  if (password.length > mostPasswordLength) throw bad(`has more than ${mostPasswordLength} characters`);
  const plain = password.toLowerCase();
  if (plain.includes(accountName.toLowerCase())) throw bad('holds the name of the account');
  const rest = commonest.reduce((text, word) => text.replaceAll(word, ''), plain).replaceAll(/[^a-z]/g, '');
  if (commonest.some((word) => plain.includes(word)) && rest.length < 6) throw bad('is one of the first that is tried');
  if (new Set(plain).size < 5) throw bad('has fewer than 5 different characters');
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const tag = await derive(password, { salt, memory: memoryKib, passes, parallelism: 1, tagLength: tagBytes });
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$${base64(salt)}$${base64(tag)}`;
}

export interface Verdict {
  right: boolean;
  /** It was hashed with other parameters than are used now. */
  outdated: boolean;
}

/** Without a hash as much work is done as with one, so that the time does not tell whether there is an account. */
export async function verifyPassword(password: string, phc: string | null | undefined): Promise<Verdict> {
  const parsed = parsePhc(phc ?? decoy);
  if (!parsed) throw new StarlingError('INTERNAL', 'a stored password cannot be read');
  const { tag, ...parameters } = parsed;
  const derived = await derive(password.slice(0, mostPasswordLength), { ...parameters, tagLength: tag.length });
  const right = timingSafeEqual(derived, tag) && phc != null;
  return { right, outdated: parsed.memory !== memoryKib || parsed.passes !== passes };
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
const decoy = `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$${base64(randomBytes(saltBytes))}$${base64(randomBytes(tagBytes))}`;

interface Parameters {
  salt: Buffer;
  memory: number;
  passes: number;
  parallelism: number;
}

function parsePhc(phc: string): (Parameters & { tag: Buffer }) | undefined {
  const match = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc);
  if (!match) return undefined;
  const [, memory, times, lanes, salt, tag] = match;
  return {
    memory: Number(memory),
    passes: Number(times),
    parallelism: Number(lanes),
    salt: Buffer.from(salt!, 'base64'),
    tag: Buffer.from(tag!, 'base64'),
  };
}

let running = 0;
const waiting: (() => void)[] = [];

async function derive(password: string, parameters: Parameters & { tagLength: number }): Promise<Buffer> {
  if (typeof argon2 !== 'function') {
    throw new StarlingError('UNAVAILABLE', 'this Node has no argon2', { fix: 'Run Starling with Node 24.7 or later.' });
  }
  if (running >= mostAtOnce) {
    if (waiting.length >= mostWaiting)
      throw new StarlingError('UNAVAILABLE', 'Too many people sign in just now.', { fix: 'Try again in a minute.' });
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
  running += 1;
  try {
    const { salt: nonce, ...rest } = parameters;
    const options: Argon2Parameters = { ...rest, nonce, message: Buffer.from(password.normalize('NFKC')) };
    return await promisify(argon2)('argon2id', options);
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}
