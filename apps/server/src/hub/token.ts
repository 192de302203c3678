import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether an `Authorization` header carries the token, in a time that does not tell how much of it was right. */
export function bearerMatches(header: string | undefined, token: string): boolean {
  const presented = /^Bearer (\S{1,1024})$/i.exec(header ?? '')?.[1];
  return timingSafeEqual(digestOf(presented ?? ''), digestOf(token)) && presented !== undefined;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
