/** What happens next: a binary heap by time. */
export class EventHeap<T> {
  readonly #times: number[] = [];
  readonly #events: T[] = [];

  get nextAt(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  push(time: number, event: T): void {
    const [times, events] = [this.#times, this.#events];
    let at = times.length;
    times.push(time);
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = times[parent] as number;
      if (above <= time) break;
      times[at] = above;
      events[at] = events[parent] as T;
      at = parent;
    }
    times[at] = time;
    events[at] = event;
  }

  /** Only while `nextAt` is finite. */
  pop(): T {
    const [times, events] = [this.#times, this.#events];
    const first = events[0] as T;
    const time = times.pop() as number;
    const event = events.pop() as T;
    const count = times.length;
    if (count === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && (times[child + 1] as number) < (times[child] as number)) child += 1;
      const below = times[child] as number;
      if (below >= time) break;
      times[at] = below;
      events[at] = events[child] as T;
      at = child;
    }
    times[at] = time;
    events[at] = event;
    return first;
  }
}
