import { hkdfSync } from 'node:crypto';

/** What two members prove to each other: a key, and a name that says which one it is and gives nothing of it away. */
export interface LaneOffer {
  identity: string;
  /** 32 bytes. */
  key: Buffer;
}

interface NamedSecret {
  name: string;
  secret: Buffer;
}

const keyBytes = 32;
const nameBytes = 8;
const identityForm = /^([0-9a-f]{40}):([0-9a-f]{16})$/;
/** Derived again when there are more; one costs some microseconds. */
const rememberedAtMost = 512;

/**
 * The secrets that this process knows, by project, and the keys of packs that follow from them (HKDF-SHA256, RFC 5869). Who
 * has the version key of a project can work out the key of each of its packs, whichever build named the pack.
 */
export class LaneKeys {
  readonly #secrets = new Map<string, NamedSecret[]>();
  readonly #derived = new Map<string, Buffer>();

  /** The secrets of a project (32 bytes each, base64), the one to call others with first; they replace those before. */
  set(project: string, secrets: readonly string[]): void {
    const named = secrets.map((text) => {
      const secret = Buffer.from(text, 'base64');
      return { secret, name: derive(secret, Buffer.alloc(0), 'starling lane name 1', nameBytes).toString('hex') };
    });
    this.#secrets.set(project, named);
    this.#derived.clear();
  }

  /** What to call a member of a pack's swarm with, one after another until it knows one. */
  offersFor(project: string, infoHash: string): LaneOffer[] {
    return (this.#secrets.get(project) ?? []).map((named) => ({
      identity: `${infoHash}:${named.name}`,
      key: this.#keyOf(named, infoHash),
    }));
  }

  /** The key that a caller means, and of which pack; undefined when its secret is not known here. */
  find(identity: string): { infoHash: string; key: Buffer } | undefined {
    const [, infoHash, name] = identityForm.exec(identity) ?? [];
    if (!infoHash) return undefined;
    for (const secrets of this.#secrets.values()) {
      const named = secrets.find((candidate) => candidate.name === name);
      if (named) return { infoHash, key: this.#keyOf(named, infoHash) };
    }
    return undefined;
  }

  #keyOf({ name, secret }: NamedSecret, infoHash: string): Buffer {
    const known = this.#derived.get(`${infoHash}:${name}`);
    if (known) return known;
    if (this.#derived.size >= rememberedAtMost) this.#derived.clear();
    const key = derive(secret, Buffer.from(infoHash, 'hex'), 'starling lane 1', keyBytes);
    this.#derived.set(`${infoHash}:${name}`, key);
    return key;
  }
}

function derive(secret: Buffer, salt: Buffer, info: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, bytes));
}
