type Listener = (event: Event) => void;

/**
 * Server-sent events over `fetch`. The browser's own EventSource reconnects by itself without saying why it was cut,
 * and does not work on Electron's own schemes; this one ends with an `error` event and leaves the rest to its user.
 */
export class FetchEventSource {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readonly url: string;
  readyState = 0;
  #target = new EventTarget();
  #abort = new AbortController();

  constructor(url: string | URL) {
    this.url = String(url);
    // Listeners are added after construction; the first event comes later than that.
    queueMicrotask(() => void this.#run());
  }

  addEventListener(type: string, listener: Listener): void {
    this.#target.addEventListener(type, listener);
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#target.removeEventListener(type, listener);
  }

  close(): void {
    this.readyState = this.CLOSED;
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    try {
      const response = await fetch(this.url, {
        headers: { accept: 'text/event-stream' },
        signal: this.#abort.signal,
        cache: 'no-store',
      });
      if (!response.ok || !response.body) throw new Error(`The stream was refused (HTTP ${response.status}).`);
      this.readyState = this.OPEN;
      this.#target.dispatchEvent(new Event('open'));
      const parser = new EventStreamParser((event) => {
        this.#target.dispatchEvent(new MessageEvent(event.type, { data: event.data, lastEventId: event.id }));
      });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        parser.add(value);
      }
    } catch {
      // Whatever cut it, the answer is the same: the error event below.
    }
    if (this.readyState === this.CLOSED) return;
    this.readyState = this.CLOSED;
    this.#target.dispatchEvent(new Event('error'));
  }
}

export interface StreamEvent {
  type: string;
  data: string;
  id: string;
}

/** Reads `text/event-stream` as the HTML standard defines it (9.2.6), whichever way it is cut. */
export class EventStreamParser {
  #emit: (event: StreamEvent) => void;
  #rest = '';
  #data: string[] = [];
  #type = '';
  #id = '';

  constructor(emit: (event: StreamEvent) => void) {
    this.#emit = emit;
  }

  add(text: string): void {
    const all = this.#rest + text;
    // A carriage return at the very end may be half of a line end.
    const usable = all.endsWith('\r') ? all.slice(0, -1) : all;
    const lines = usable.split(/\r\n|\n|\r/);
    this.#rest = lines.pop()! + all.slice(usable.length);
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === '') {
      if (this.#data.length > 0)
        this.#emit({ type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id });
      this.#data = [];
      this.#type = '';
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }
}
