import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type ProfileInput, profileInput, type ServerProfile } from '../ipc-contract.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';

const stored = z.object({
  profiles: z.array(z.object({ id: z.string(), name: z.string(), url: z.string(), production: z.boolean() })).max(100),
  selected: z.string().nullable(),
});
type Stored = z.infer<typeof stored>;

const mostProfiles = 100;

/** The servers this application knows, and the one in use. Kept in one file; writes take turns. */
export class ProfileStore {
  #path: string;
  #state: Stored;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, state: Stored) {
    this.#path = path;
    this.#state = state;
  }

  /** `firstUrl`: the server that is offered while there is none. */
  static async open(path: string, firstUrl: string): Promise<ProfileStore> {
    const local: ServerProfile = { id: 'local', name: 'This computer', url: originOf(firstUrl), production: false };
    const state = await readJsonFile<Stored>(path, stored, { profiles: [], selected: null });
    if (state.profiles.length === 0) return new ProfileStore(path, { profiles: [local], selected: local.id });
    // A local Starling moves to another port when its own is taken: its profile follows.
    const profiles = state.profiles.map((profile) =>
      profile.id === local.id ? { ...profile, url: local.url } : profile,
    );
    return new ProfileStore(path, { ...state, profiles });
  }

  get profiles(): readonly ServerProfile[] {
    return this.#state.profiles;
  }

  get selected(): ServerProfile | undefined {
    return this.#state.profiles.find((profile) => profile.id === this.#state.selected) ?? this.#state.profiles[0];
  }

  /** Adds a server, or changes the one with that id. Returns it, and whether its address is another one now. */
  async save(input: ProfileInput): Promise<{ profile: ServerProfile; moved: boolean }> {
    const { id, name, url, production } = profileInput.parse(input);
    const before = this.#state.profiles.find((profile) => profile.id === id);
    if (id !== undefined && !before) throw new Error('This server is no longer in the list.');
    if (!before && this.#state.profiles.length >= mostProfiles) {
      throw new Error(`There are ${mostProfiles} servers already; remove one first.`);
    }
    const profile: ServerProfile = { id: before?.id ?? randomUUID(), name, url: originOf(url), production };
    const twin = this.#state.profiles.find((other) => other.url === profile.url && other.id !== profile.id);
    if (twin) throw new Error(`${profile.url} is in the list already, as “${twin.name}”.`);
    const profiles = before
      ? this.#state.profiles.map((other) => (other.id === profile.id ? profile : other))
      : [...this.#state.profiles, profile];
    await this.#keep({ profiles, selected: this.selected?.id ?? profile.id });
    return { profile, moved: before !== undefined && before.url !== profile.url };
  }

  async remove(id: string): Promise<void> {
    if (this.#state.profiles.length <= 1) throw new Error('The last server stays; change its address instead.');
    const profiles = this.#state.profiles.filter((profile) => profile.id !== id);
    const selected = this.#state.selected === id ? (profiles[0]?.id ?? null) : this.#state.selected;
    await this.#keep({ profiles, selected });
  }

  async select(id: string): Promise<void> {
    if (!this.#state.profiles.some((profile) => profile.id === id)) {
      throw new Error('This server is no longer in the list.');
    }
    await this.#keep({ ...this.#state, selected: id });
  }

  #keep(next: Stored): Promise<void> {
    this.#state = next;
    const write = this.#writing.then(() => writeJsonFile(this.#path, next));
    this.#writing = write.catch(() => {});
    return write;
  }
}

/** Only the origin counts: a path, a query or a password in the address would be sent with every request. */
function originOf(url: string): string {
  return new URL(url).origin;
}
