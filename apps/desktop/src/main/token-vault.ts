import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './json-file.ts';

/** The part of Electron's safeStorage that is used, so that it can be stood in for. */
export interface Cipher {
  isEncryptionAvailable(): boolean;
  /** Linux only: `basic_text` means that there is no keyring and the "encryption" is a fixed password. */
  getSelectedStorageBackend?(): string;
  encryptString(text: string): Buffer;
  decryptString(encrypted: Buffer): string;
}

const stored = z.record(z.string().max(64), z.string().max(10_000));

/** The tokens, by profile. They live in this process only; on disk encrypted by the system's keyring, or not at all. */
export class TokenVault {
  #path: string;
  #cipher: Cipher;
  #tokens: Map<string, string>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, cipher: Cipher, tokens: Map<string, string>) {
    this.#path = path;
    this.#cipher = cipher;
    this.#tokens = tokens;
  }

  static async open(path: string, cipher: Cipher): Promise<TokenVault> {
    const tokens = new Map<string, string>();
    if (whyNotKept(cipher) === null) {
      for (const [id, encrypted] of Object.entries(await readJsonFile(path, stored, {}))) {
        try {
          tokens.set(id, cipher.decryptString(Buffer.from(encrypted, 'base64')));
        } catch {
          // Encrypted for another user or another keyring: as good as none.
        }
      }
    }
    return new TokenVault(path, cipher, tokens);
  }

  /** Why tokens do not outlive the application; null when they do. */
  get whyNotKept(): string | null {
    return whyNotKept(this.#cipher);
  }

  get(profile: string): string | undefined {
    return this.#tokens.get(profile);
  }

  async set(profile: string, token: string): Promise<void> {
    this.#tokens.set(profile, token);
    await this.#keep();
  }

  async forget(profile: string): Promise<void> {
    if (this.#tokens.delete(profile)) await this.#keep();
  }

  #keep(): Promise<void> {
    if (this.whyNotKept !== null) return Promise.resolve();
    const encrypted = Object.fromEntries(
      [...this.#tokens].map(([id, token]) => [id, this.#cipher.encryptString(token).toString('base64')]),
    );
    const write = this.#writing.then(() => writeJsonFile(this.#path, encrypted));
    this.#writing = write.catch(() => {});
    return write;
  }
}

function whyNotKept(cipher: Cipher): string | null {
  if (!cipher.isEncryptionAvailable()) return 'This computer has no keyring, so the token is kept in memory only.';
  if (cipher.getSelectedStorageBackend?.() === 'basic_text') {
    return 'No keyring service runs here (GNOME Keyring or KWallet), so the token is kept in memory only.';
  }
  return null;
}
