import { appOrigin } from './app-protocol.ts';

/** What is known of whoever sent a message: a part of Electron's IpcMainInvokeEvent. */
export interface SenderFacts {
  senderFrame: { url: string; parent: unknown } | null;
}

/** Only the console's own top frame may ask anything of this process. */
export function isTrustedSender({ senderFrame }: SenderFacts): boolean {
  if (!senderFrame || senderFrame.parent !== null || !URL.canParse(senderFrame.url)) return false;
  const url = new URL(senderFrame.url);
  // `URL.origin` is "null" for schemes it does not know.
  return `${url.protocol}//${url.host}` === appOrigin;
}

/** The address to hand to the system's browser, or undefined when it is not a plain web address. */
export function externalAddress(address: string): string | undefined {
  if (address.length > 2_000 || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  if (url.username !== '' || url.password !== '') return undefined;
  return url.href;
}
