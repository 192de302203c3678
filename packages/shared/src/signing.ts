import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';

// Ed25519 (RFC 8032) over the canonical JSON of a document without its `signature` member, prefixed by what
// the document is, so that a signature made for one kind can never be taken for another's.

export type DocumentKind = 'manifest' | 'version-key' | 'agent-credential' | 'agent-session';
export type Signature = { keyId: string; value: string };

/** A key pair as PEM text (PKCS #8 and SPKI), ready to be written to files. */
export function generateSigningKey(): { privatePem: string; publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** The first 16 hexadecimal digits of the SHA-256 of the public key: names the key, proves nothing. */
export function keyIdOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
}

/** Signs documents of one kind. Throws when the key (PEM, or read already) is not an Ed25519 private key. */
export class Signer {
  readonly keyId: string;
  readonly #privateKey: KeyObject;
  readonly #kind: DocumentKind;

  constructor(kind: DocumentKind, privateKey: string | KeyObject) {
    this.#privateKey = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey;
    if (this.#privateKey.type !== 'private' || this.#privateKey.asymmetricKeyType !== 'ed25519')
      throw new TypeError('a signing key must be an Ed25519 private key');
    this.#kind = kind;
    this.keyId = keyIdOf(createPublicKey(this.#privateKey));
  }

  /** For whoever is to trust what is signed. */
  get publicPem(): string {
    return createPublicKey(this.#privateKey).export({ type: 'spki', format: 'pem' }).toString();
  }

  sign<T extends object>(document: T): T & { signature: Signature } {
    const value = sign(null, signedBytes(this.#kind, document), this.#privateKey).toString('base64');
    return { ...document, signature: { keyId: this.keyId, value } };
  }

  /** Signs a document that is not JSON: 64 bytes, over `starling <kind>`, a line end and the document. */
  signBytes(bytes: Uint8Array): Buffer<ArrayBuffer> {
    return Buffer.from(sign(null, prefixed(this.#kind, bytes), this.#privateKey));
  }
}

/** The public keys (PEM, or read already) trusted for one kind of document; several, so that a key can be rotated. */
export class TrustedKeys {
  readonly #kind: DocumentKind;
  readonly #keys = new Map<string, KeyObject>();

  constructor(kind: DocumentKind, publicKeys: readonly (string | KeyObject)[]) {
    this.#kind = kind;
    for (const given of publicKeys) {
      const key = typeof given === 'string' ? createPublicKey(given) : given;
      if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('a trusted key must be an Ed25519 public key');
      this.#keys.set(keyIdOf(key), key);
    }
  }

  /** Why the signature is not to be trusted, or undefined when it holds. */
  refusal<T extends { signature?: Signature | undefined }>(document: T): string | undefined {
    const { signature } = document;
    if (!signature) return 'it is not signed';
    const key = this.#keys.get(signature.keyId);
    if (!key) return `its signing key ${signature.keyId} is not trusted here`;
    const value = Buffer.from(signature.value, 'base64');
    // Base64 has more than one spelling for the same bytes; a signature has one.
    const holds =
      value.toString('base64') === signature.value && verify(null, signedBytes(this.#kind, document), key, value);
    return holds ? undefined : 'its signature does not match its content';
  }

  /** As `refusal`, for a document that is not JSON. */
  refusalOfBytes(bytes: Uint8Array, signature: { keyId: string; value: Uint8Array } | undefined): string | undefined {
    if (!signature) return 'it is not signed';
    const key = this.#keys.get(signature.keyId);
    if (!key) return `its signing key ${signature.keyId} is not trusted here`;
    const holds = verify(null, prefixed(this.#kind, bytes), key, signature.value);
    return holds ? undefined : 'its signature does not match its content';
  }
}

function signedBytes(kind: DocumentKind, document: object): Buffer {
  return prefixed(kind, Buffer.from(canonicalJson({ ...document, signature: undefined })));
}

function prefixed(kind: DocumentKind, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`starling ${kind}\n`), bytes]);
}
