import type { Page } from 'playwright-core';

/** So many times as fast as the clock do the page's timers run. */
const hurry = 100;
/** And what repeats every so often: faster, the page would be busy with the ages it shows, and not with what changes. */
const hurryOfIntervals = 20;

/**
 * Makes a page live fast, from its next load on: its timers run a hundred times as fast, its stream of changes names every
 * topic as soon as the page has what it read after the time before, and each answer is the server's first one to the same
 * question, changed a little: other texts, other times, and of the machines a tenth are others. Every hundredth time the
 * stream is cut instead. In the page, `timeLapse` counts `rounds` and `reads`, and nothing changes while `isPaused`.
 */
export async function lapseTime(page: Page): Promise<void> {
  await page.addInitScript(`
    const timeLapse = (window.timeLapse = { rounds: 0, reads: 0, signals: 0, isPaused: false });
    for (const [name, hurry] of [['setTimeout', ${hurry}], ['setInterval', ${hurryOfIntervals}]]) {
      const real = window[name].bind(window);
      window[name] = (run, wait = 0, ...more) => real(run, wait / hurry, ...more);
    }
    // The browser keeps a signal until its time is over. A hundred times as many requests are under way here: a tenth of
    // the time is enough for a first answer.
    const realTimeout = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (wait) => {
      const signal = realTimeout(wait / 10);
      timeLapse.signals += 1;
      signal.addEventListener('abort', () => { timeLapse.signals -= 1; }, { once: true });
      return signal;
    };
    const texts = new Set(['detail', 'outcome', 'reason', 'commitSubject']);
    const vary = (value, key) => {
      if (texts.has(key)) return String(value ?? '').slice(0, 60) + ' ' + timeLapse.reads;
      if (key === 'lastSeenAt') return new Date().toISOString();
      if (Array.isArray(value)) return value.map((one) => vary(one));
      if (value === null || typeof value !== 'object') return value;
      const varied = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, vary(inner, name)]));
      const place = /^(region-\\d-)(\\d{6})$/.exec(value.id);
      if (place && (Number(place[2]) + timeLapse.reads) % 10 === 0)
        varied.id = place[1] + String((Number(place[2]) + timeLapse.reads) % 1_000_000).padStart(6, '0');
      return varied;
    };
    const realFetch = window.fetch.bind(window);
    const firstAnswers = new Map();
    let underWay = 0;
    let isAnswered = true;
    let frames = 0;
    const changes = async (input, init) => {
      const answer = await realFetch(input, init);
      const server = answer.body.getReader();
      const text = new TextEncoder();
      const frame = text.encode(
        'data: ["jobs","replicas","deployments","machines","version-keys","projects","alerts"]\\n\\n');
      const quiet = text.encode('data: []\\n\\n');
      return new Response(new ReadableStream({
        async start(controller) {
          controller.enqueue((await server.read()).value);
          // As the browser's own body does: otherwise its reader would wait for ever, and stay.
          init?.signal?.addEventListener('abort', () => controller.error(init.signal.reason), { once: true });
          const next = () => {
            if (init?.signal?.aborted) return;
            if (timeLapse.isPaused) controller.enqueue(quiet);
            else if (underWay === 0 && isAnswered) {
              isAnswered = false;
              if (++frames % 100 === 0) {
                isAnswered = true;
                void server.cancel();
                return controller.close();
              }
              controller.enqueue(frame);
            }
            setTimeout(next, 2_000);
          };
          setTimeout(next, 2_000);
        },
      }), { headers: answer.headers });
    };
    window.fetch = async (input, init) => {
      const url = String(input.url ?? input);
      if (url.includes('overview.changes')) return changes(input, init);
      if (!url.includes('/trpc/') || init?.method === 'POST') return realFetch(input, init);
      underWay += 1;
      try {
        let first = firstAnswers.get(url);
        if (!first) {
          const answer = await realFetch(input, init);
          first = { status: answer.status, headers: [...answer.headers], body: await answer.json() };
          if (answer.ok) firstAnswers.set(url, first);
        }
        timeLapse.reads += 1;
        // Every page reads the overview, for its notices: a round is over once that has come.
        if (url.includes('overview.get')) {
          timeLapse.rounds += 1;
          isAnswered = true;
        }
        return new Response(JSON.stringify(vary(first.body)), { status: first.status, headers: first.headers });
      } finally {
        underWay -= 1;
      }
    };`);
}
