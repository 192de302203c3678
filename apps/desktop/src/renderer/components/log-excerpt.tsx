import { plural } from '../lib/format.ts';

/** What a machine says of itself: the first line, and the rest of it, such as the end of a program's log, unfolded by a click. */
export function LogExcerpt({ text, open = false }: { text: string; open?: boolean }) {
  const [first = '', ...rest] = text.trimEnd().split('\n');
  return (
    <span className="block text-xs text-ink-2">
      <span className="block break-words">{first}</span>
      {rest.length > 0 && (
        <details open={open} className="mt-1">
          <summary className="inline-flex cursor-pointer rounded text-accent select-none hover:underline">
            {plural(rest.length, 'more line')}
          </summary>
          <pre
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
            tabIndex={0}
            className="mt-1 max-h-48 overflow-auto rounded-md bg-log px-3 py-2 font-mono text-xs whitespace-pre-wrap text-log-ink"
          >
            {rest.join('\n')}
          </pre>
        </details>
      )}
    </span>
  );
}
