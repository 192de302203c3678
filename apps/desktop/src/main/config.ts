export interface DesktopConfig {
  /** The server of the first profile, offered while no other was added. */
  serverUrl: string;
  /** A file with the token for that server: a Starling on this computer hands its own over like this. */
  tokenFile: string | undefined;
  /** Where newer consoles are found; undefined leaves updates to whoever installed this one. */
  updateUrl: string | undefined;
}

/** Reads the environment, once. */
export function readDesktopConfig(environment: NodeJS.ProcessEnv = process.env): DesktopConfig {
  const { STARLING_SERVER, STARLING_TOKEN_FILE, STARLING_UPDATE_URL } = environment;
  return {
    serverUrl: STARLING_SERVER && URL.canParse(STARLING_SERVER) ? STARLING_SERVER : 'http://127.0.0.1:4600',
    tokenFile: STARLING_TOKEN_FILE || undefined,
    updateUrl: isFeed(STARLING_UPDATE_URL) ? STARLING_UPDATE_URL : undefined,
  };
}

/** What is installed from there runs as this person: only from where nobody can change it on the way. */
function isFeed(url: string | undefined): url is string {
  return url !== undefined && URL.canParse(url) && new URL(url).protocol === 'https:';
}
