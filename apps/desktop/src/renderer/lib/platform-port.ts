import type { Attention, Notices, ProfileInput, ProfileState } from '../../ipc-contract.ts';

/** What the console needs of where it runs. Everything else is the same in a window and in a browser. */
export interface Platform {
  kind: 'web' | 'desktop';
  /** A hidden page of a browser closes its streams; a window goes on, so that it can notify. */
  followsWhenHidden: boolean;
  /** The servers a person can choose from; null where the page's own server is the only one. */
  servers: ServerAccess | null;
  copy(text: string): Promise<void>;
  /** Tells a person who is not looking; a click opens the page. */
  notify(notice: { title: string; body: string; path: string }): void;
  /** What a person who is not looking sees beside the clock, where there is such a place. */
  setAttention(attention: Attention): void;
  /** Calls back with the version of a newer console that was downloaded. Returns how to stop. */
  onUpdateReady(tell: (version: string) => void): () => void;
  /** Ends the console and starts the newer one. */
  installUpdate(): void;
  openExternal(url: string): void;
  /** Calls back with the page of every deep link. Returns how to stop. */
  onLink(open: (path: string) => void): () => void;
  onMenuCommand(run: (command: Notices['menu:command']) => void): () => void;
}

export interface ServerAccess {
  read(): Promise<ProfileState>;
  save(profile: ProfileInput): Promise<ProfileState>;
  remove(id: string): Promise<ProfileState>;
  select(id: string): Promise<ProfileState>;
}
