import { createHash, randomBytes } from 'node:crypto';

/** A new secret of 256 random bits, recognisable as one of ours in a log or a repository. */
export const newToken = (): string => `stl_${randomBytes(32).toString('base64url')}`;

/** How a token is kept. A plain SHA-256 is enough for what is random already; it lets a token be found by its hash. */
export const hashOfToken = (token: string): string => createHash('sha256').update(token).digest('hex');
