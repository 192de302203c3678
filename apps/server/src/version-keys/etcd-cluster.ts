import type { Clock } from '@starling/shared/clock.ts';
import { EtcdRefusal, etcdError, mayPass } from './etcd-errors.ts';
import { boundedText, linesOf } from './json-lines.ts';

/** How long one endpoint may take, in milliseconds; how often a request is tried at least. */
const tryMs = 2_000;
const leastTries = 2;
/** While a cluster is away, one request in this time finds out whether it is back, and the others fail at once. */
const lookAgainMs = 1_000;
/** The largest key etcd takes is 1.5 MB; pages and events of version keys are far below these. */
const pageSize = 200;
const maxAnswerBytes = 32 * 1024 * 1024;
const rangeTries = 3;

export interface EtcdClusterOptions {
  region: string;
  /** `http://host:port`, at least one. */
  endpoints: readonly string[];
  auth?: { username: string; password: string } | undefined;
  clock: Clock;
  fetch: typeof fetch;
}

export interface StoredValue {
  key: string;
  value: string;
  /** The cluster's revision that wrote it: later writes have higher ones. */
  modRevision: number;
}

export interface RangeAnswer {
  values: StoredValue[];
  /** The cluster's revision that the answer shows. */
  revision: number;
}

export type WatchFrame =
  | { kind: 'created' }
  /** `revision`: everything up to it has been sent. */
  | { kind: 'written'; values: StoredValue[]; deleted: string[]; revision: number }
  /** What is asked for is no longer kept: the watch has ended, and only a range tells what is. */
  | { kind: 'compacted' };

interface Header {
  revision?: string;
}
interface Kv {
  key: string;
  value?: string;
  mod_revision: string;
}
interface RangeResponse {
  header: Header;
  kvs?: Kv[];
  more?: boolean;
}
interface WatchLine {
  result?: {
    header: Header;
    created?: boolean;
    canceled?: boolean;
    compact_revision?: string;
    cancel_reason?: string;
    events?: { type?: string; kv: Kv }[];
    fragment?: boolean;
  };
  error?: { message?: string; grpc_code?: number };
}

/**
 * One etcd cluster, over the JSON gateway that each of its members has. An endpoint that does not answer is left for
 * the next. What a request fails with in the end is UNAVAILABLE, naming the region and the endpoint.
 */
export class EtcdCluster {
  readonly #options: EtcdClusterOptions;
  #current = 0;
  #token: Promise<string> | undefined;
  #away: { error: unknown; lookAgainAt: number } | undefined;

  constructor(options: EtcdClusterOptions) {
    this.#options = options;
  }

  /** The values of one key, or of those from `key` up to but not including `end`, as every member agrees on them now. */
  async range(
    key: string,
    { end, fromRevision, signal }: { end?: string; fromRevision?: number; signal?: AbortSignal } = {},
  ): Promise<RangeAnswer> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#pages(key, end, fromRevision, signal);
      } catch (thrown) {
        // Compacted between two pages: only a fresh start shows one moment as a whole.
        const cause = (thrown as { cause?: unknown }).cause;
        if (!(cause instanceof EtcdRefusal && cause.isCompacted) || tries === rangeTries) throw thrown;
      }
    }
  }

  /**
   * Writes if the key was last written by `modRevision` (0: there is none), and, where one is given, if another key has a
   * value. Safe to repeat, and repeated when an answer
   * is lost: if the value is there then, ours has been written.
   */
  async putIf(
    key: string,
    value: string,
    modRevision: number,
    unchanged?: { key: string; value: string },
  ): Promise<boolean> {
    const name = encode(key);
    const body = {
      compare: [
        { key: name, target: 'MOD', result: 'EQUAL', mod_revision: String(modRevision) },
        ...(unchanged
          ? [{ key: encode(unchanged.key), target: 'VALUE', result: 'EQUAL', value: encode(unchanged.value) }]
          : []),
      ],
      success: [{ request_put: { key: name, value: encode(value) } }],
      failure: [{ request_range: { key: name } }],
    };
    let tries = 0;
    const answer = await this.#call<{ succeeded?: boolean; responses?: { response_range?: RangeResponse }[] }>(
      '/v3/kv/txn',
      body,
      { onTry: () => (tries += 1) },
    );
    if (answer.succeeded) return true;
    const there = answer.responses?.[0]?.response_range?.kvs?.[0];
    return tries > 1 && there !== undefined && decode(there.value) === value;
  }

  /**
   * What is written to the keys from `key` up to `end`, from `fromRevision` on. Ends when the connection does; throws
   * when there is none, or the cluster ends the watch. An endpoint that failed is not the next to be tried.
   */
  async *watch(key: string, end: string, fromRevision: number, signal: AbortSignal): AsyncGenerator<WatchFrame> {
    const endpoint = this.#endpoint();
    const request = {
      create_request: {
        key: encode(key),
        range_end: encode(end),
        start_revision: String(fromRevision),
        progress_notify: true,
        fragment: true,
      },
    };
    // The time limit is for the beginning; after it, silence is usual.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException('no answer in time', 'TimeoutError')), tryMs);
    try {
      const response = await this.#send(endpoint, '/v3/watch', request, AbortSignal.any([signal, late.signal]));
      for await (const line of linesOf(response.body ?? emptyBody(), maxAnswerBytes)) {
        clearTimeout(timer);
        const frame = frameOf(JSON.parse(line) as WatchLine);
        if (frame.kind !== 'compacted') this.#away = undefined;
        yield frame;
        if (frame.kind === 'compacted') return;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      if (thrown instanceof EtcdRefusal && thrown.wantsNewToken) this.#token = undefined;
      this.#leave(endpoint);
      throw etcdError(thrown, this.#options.region, endpoint);
    } finally {
      clearTimeout(timer);
    }
  }

  async #pages(
    key: string,
    end: string | undefined,
    fromRevision: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<RangeAnswer> {
    const values: StoredValue[] = [];
    let revision: number | undefined;
    let from = key;
    for (;;) {
      const page = await this.#call<RangeResponse>(
        '/v3/kv/range',
        {
          key: encode(from),
          ...(end === undefined ? {} : { range_end: encode(end), limit: String(pageSize) }),
          ...(fromRevision === undefined ? {} : { min_mod_revision: String(fromRevision) }),
          ...(revision === undefined ? {} : { revision: String(revision) }),
        },
        { signal },
      );
      revision ??= Number(page.header.revision ?? 0);
      values.push(...(page.kvs ?? []).map(storedValueOf));
      const last = values.at(-1);
      if (!page.more || !last) return { values, revision };
      from = `${last.key}\0`;
    }
  }

  async #call<T>(
    path: string,
    body: object,
    { signal, onTry }: { signal?: AbortSignal | undefined; onTry?: () => void } = {},
  ): Promise<T> {
    const { clock, endpoints, region } = this.#options;
    const away = this.#away;
    if (away) {
      if (clock.now() < away.lookAgainAt) throw away.error;
      away.lookAgainAt = clock.now() + leastTries * tryMs * endpoints.length;
    }
    let failure: unknown;
    const tries = Math.max(leastTries, endpoints.length);
    for (let count = 0; count < tries && !signal?.aborted; count += 1) {
      const endpoint = this.#endpoint();
      if (count >= endpoints.length) await clock.sleep(50 + Math.random() * 100, signal);
      onTry?.();
      try {
        const answer = await this.#once<T>(endpoint, path, body, signal);
        this.#away = undefined;
        return answer;
      } catch (thrown) {
        failure = etcdError(thrown, region, endpoint);
        if (!mayPass(thrown)) {
          this.#away = undefined;
          throw failure;
        }
        this.#leave(endpoint);
      }
    }
    if (signal?.aborted) {
      if (this.#away) this.#away.lookAgainAt = clock.now();
      throw failure ?? signal.reason;
    }
    this.#away = { error: failure, lookAgainAt: clock.now() + lookAgainMs };
    throw failure;
  }

  async #once<T>(endpoint: string, path: string, body: object, signal: AbortSignal | undefined): Promise<T> {
    const ask = async () => {
      const limit = AbortSignal.timeout(tryMs);
      const response = await this.#send(endpoint, path, body, signal ? AbortSignal.any([signal, limit]) : limit);
      return JSON.parse(await boundedText(response.body ?? emptyBody(), maxAnswerBytes)) as T;
    };
    try {
      return await ask();
    } catch (thrown) {
      if (!this.#options.auth || !(thrown instanceof EtcdRefusal) || !thrown.wantsNewToken) throw thrown;
      this.#token = undefined;
      return await ask();
    }
  }

  async #send(endpoint: string, path: string, body: object, signal: AbortSignal): Promise<Response> {
    const token = await this.#authorization(endpoint);
    return this.#post(endpoint, path, body, token, signal);
  }

  async #authorization(endpoint: string): Promise<string | undefined> {
    const { auth } = this.#options;
    if (!auth) return undefined;
    this.#token ??= this.#authenticate(endpoint, auth);
    const asked = this.#token;
    try {
      return await asked;
    } catch (thrown) {
      if (this.#token === asked) this.#token = undefined;
      throw thrown;
    }
  }

  async #authenticate(endpoint: string, { username, password }: { username: string; password: string }) {
    const credentials = { name: username, password };
    const limit = AbortSignal.timeout(tryMs);
    const response = await this.#post(endpoint, '/v3/auth/authenticate', credentials, undefined, limit);
    const { token } = JSON.parse(await boundedText(response.body ?? emptyBody(), maxAnswerBytes)) as { token: string };
    return token;
  }

  /** Throws EtcdRefusal for an answer that is not a success. */
  async #post(endpoint: string, path: string, body: object, token: string | undefined, signal: AbortSignal) {
    const response = await this.#options.fetch(`${endpoint}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: token }) },
      body: JSON.stringify(body),
      redirect: 'error',
      signal,
    });
    if (response.ok) return response;
    const text = await boundedText(response.body ?? emptyBody(), maxAnswerBytes);
    throw refusalOf(response.status, text);
  }

  #endpoint(): string {
    const { endpoints } = this.#options;
    return endpoints[this.#current % endpoints.length] ?? '';
  }

  /** Goes on to the next endpoint, unless another request has done so already. */
  #leave(endpoint: string): void {
    if (this.#endpoint() === endpoint) this.#current += 1;
  }
}

const encode = (text: string) => Buffer.from(text, 'utf8').toString('base64');
const decode = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString('utf8');

function storedValueOf(kv: Kv): StoredValue {
  return { key: decode(kv.key), value: decode(kv.value), modRevision: Number(kv.mod_revision) };
}

function frameOf({ result, error }: WatchLine): WatchFrame {
  if (!result) throw new EtcdRefusal(error?.message ?? 'the watch ended without a reason', error?.grpc_code ?? 2);
  if (result.canceled) {
    if (Number(result.compact_revision ?? 0) > 0) return { kind: 'compacted' };
    throw new EtcdRefusal(result.cancel_reason || 'the watch was cancelled', 2);
  }
  if (result.created) return { kind: 'created' };
  const events = result.events ?? [];
  const revision = Number(result.header.revision ?? 0);
  const last = Math.max(0, ...events.map(({ kv }) => Number(kv.mod_revision)));
  return {
    kind: 'written',
    values: events.filter(({ type }) => type !== 'DELETE').map(({ kv }) => storedValueOf(kv)),
    deleted: events.filter(({ type }) => type === 'DELETE').map(({ kv }) => decode(kv.key)),
    // The rest of a split answer, and what a watch that catches up has not read yet, are still to come: only an answer
    // without events says how far everything has been sent.
    revision: events.length > 0 ? (result.fragment ? last - 1 : last) : revision,
  };
}

function refusalOf(status: number, text: string): EtcdRefusal {
  try {
    const { message, error, code } = JSON.parse(text) as { message?: string; error?: string; code?: number };
    return new EtcdRefusal(message ?? error ?? text.slice(0, 200), code ?? 2);
  } catch {
    return new EtcdRefusal(`HTTP status ${status}; is it etcd 3.4 or newer?`, status === 404 ? 12 : 2);
  }
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}
