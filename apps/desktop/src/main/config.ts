export interface DesktopConfig {
  /** The server of the first profile, offered while no other was added. */
  serverUrl: string;
  /** A file with the token for that server: a Starling on this computer hands its own over like this. */
  tokenFile: string | undefined;
}

/** Reads the environment, once. */
export function readDesktopConfig(environment: NodeJS.ProcessEnv = process.env): DesktopConfig {
  const { STARLING_SERVER, STARLING_TOKEN_FILE } = environment;
  return {
    serverUrl: STARLING_SERVER && URL.canParse(STARLING_SERVER) ? STARLING_SERVER : 'http://127.0.0.1:4600',
    tokenFile: STARLING_TOKEN_FILE || undefined,
  };
}
