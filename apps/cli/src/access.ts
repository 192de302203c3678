import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localAccessFile } from '@starling/shared/data-folder.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import type { Config } from './config.ts';

// Which server to talk to and with which token. Flags beat the environment, that beats the user's file, and that a
// Starling on this machine. There is no file per folder: a cloned repository could send the token to its own server.

export interface Access {
  /** Without a slash at the end. */
  server: string;
  /** Undefined when none is known: the server then says what is refused. */
  token: string | undefined;
  /** Where the address came from, for error messages. */
  from: string;
}

export interface AccessFlags {
  server?: string | undefined;
  tokenFile?: string | undefined;
}

/** Finds the server and the token; INVALID_INPUT with the places that were looked at when there is no server. */
export async function findAccess(flags: AccessFlags, config: Config): Promise<Access> {
  const [user, local] = await Promise.all([readUserConfig(config.userConfigFile), readLocal(config.localDataFolder)]);
  const candidates: { server: string | undefined; from: string }[] = [
    { server: flags.server, from: '--server' },
    { server: config.server, from: 'STARLING_SERVER' },
    { server: user.server, from: config.userConfigFile },
    { server: local.access?.server, from: local.file },
  ];
  const chosen = candidates.find((candidate) => candidate.server !== undefined);
  if (!chosen?.server) {
    throw new StarlingError(
      'INVALID_INPUT',
      `No server is known: no --server, no STARLING_SERVER, no "server" in ${config.userConfigFile}, and ${local.problem ?? `no Starling runs here (there is no ${local.file})`}.`,
      { fix: 'Start one on this machine with "npm start" in the clone, or name one with --server <url>.' },
    );
  }
  const server = normalizeServer(chosen.server, chosen.from);
  return { server, from: chosen.from, token: await findToken(server) };

  async function findToken(server: string): Promise<string | undefined> {
    if (flags.tokenFile) return readTokenFile(flags.tokenFile, '--token-file');
    if (config.token) return checkToken(config.token, 'STARLING_TOKEN');
    // A token on disk goes to the server it was kept for and to no other.
    if (user.tokenFile && user.server && normalizeServer(user.server, config.userConfigFile) === server) {
      return readTokenFile(user.tokenFile, config.userConfigFile);
    }
    if (local.access && normalizeServer(local.access.server, local.file) === server) {
      return checkToken(local.access.token, local.file);
    }
    return undefined;
  }
}

/** An http(s) address without a slash at the end; INVALID_INPUT for anything else. */
export function normalizeServer(text: string, from: string): string {
  const address = URL.canParse(text) ? new URL(text) : undefined;
  if (!address || !['http:', 'https:'].includes(address.protocol) || address.username || address.search) {
    throw new StarlingError('INVALID_INPUT', `"${text}" (from ${from}) is not the address of a server.`, {
      field: 'server',
      fix: 'Give an address such as https://starling.example.com.',
    });
  }
  return `${address.origin}${address.pathname.replace(/\/+$/, '')}`;
}

async function readTokenFile(path: string, from: string): Promise<string> {
  try {
    return checkToken((await readFile(path, 'utf8')).trim(), path);
  } catch (thrown) {
    if (thrown instanceof StarlingError) throw thrown;
    throw new StarlingError('UNAUTHENTICATED', `The token file (from ${from}) cannot be read: ${messageOf(thrown)}.`, {
      field: 'token-file',
      fix: 'Write the token alone into a file that you can read.',
    });
  }
}

/** Checked here because fetch would repeat an invalid token in its error message. */
function checkToken(token: string, from: string): string {
  if (/^[\x21-\x7e]{1,1000}$/.test(token)) return token;
  throw new StarlingError('UNAUTHENTICATED', `The token from ${from} is empty or has characters that no token has.`, {
    fix: 'Put the token there alone, on one line.',
  });
}

async function readUserConfig(file: string): Promise<{ server?: string; tokenFile?: string }> {
  const text = await readIfThere(file);
  if (typeof text !== 'string') return {};
  const fields = parseObject(text);
  const { server, tokenFile } = fields ?? {};
  if (!fields || !isOptionalString(server) || !isOptionalString(tokenFile)) {
    throw new StarlingError('INVALID_INPUT', `${file} is not what the CLI expects.`, {
      field: file,
      fix: 'Write JSON such as {"server": "https://starling.example.com", "tokenFile": "/home/me/.starling-token"}.',
    });
  }
  return { ...(server && { server }), ...(tokenFile && { tokenFile }) };
}

async function readLocal(folder: string) {
  const file = join(folder, localAccessFile);
  const text = await readIfThere(file);
  if (text === undefined) return { file };
  if (text instanceof Error) return { file, problem: `${file} cannot be read (${text.message})` };
  const { server, token } = parseObject(text) ?? {};
  if (typeof server !== 'string' || typeof token !== 'string') return { file, problem: `${file} is damaged` };
  return { file, access: { server, token } };
}

async function readIfThere(file: string): Promise<string | Error | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : (thrown as Error);
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}
