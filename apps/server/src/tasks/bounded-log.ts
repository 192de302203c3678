/**
 * What a task said: all of it while it is short, and of more the beginning and the end. Says how much it left out.
 */
export class BoundedLog {
  readonly #headChars: number;
  readonly #tailChars: number;
  #head = '';
  #tail = '';
  #leftOut = 0;
  #changes = 0;
  #taken = 0;

  constructor({ headChars = 16 * 1024, tailChars = 48 * 1024 } = {}) {
    this.#headChars = headChars;
    this.#tailChars = tailChars;
  }

  add(text: string): void {
    if (text === '') return;
    this.#changes += 1;
    // PostgreSQL keeps no NUL in a text.
    const clean = text.replaceAll('\0', '\uFFFD');
    const room = this.#tail === '' ? this.#headChars - this.#head.length : 0;
    this.#head += clean.slice(0, room);
    this.#tail += clean.slice(room);
    // Cut only now and then: cutting at every piece would copy the tail as often as there are pieces.
    if (this.#tail.length > 2 * this.#tailChars) this.#cut();
  }

  line(text: string): void {
    const before = this.#tail || this.#head;
    this.add(`${before === '' || before.endsWith('\n') ? '' : '\n'}${text}\n`);
  }

  get text(): string {
    this.#cut();
    if (this.#leftOut === 0) return this.#head + this.#tail;
    return `${this.#head}\n… ${this.#leftOut} characters left out …\n${this.#tail}`;
  }

  /** The text if anything was added since the last call. */
  takeChanged(): string | undefined {
    if (this.#taken === this.#changes) return undefined;
    this.#taken = this.#changes;
    return this.text;
  }

  #cut(): void {
    const surplus = this.#tail.length - this.#tailChars;
    if (surplus <= 0) return;
    this.#leftOut += surplus;
    this.#tail = this.#tail.slice(surplus);
  }
}
