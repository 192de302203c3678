export const isMac = /Mac|iP(hone|ad)/.test(navigator.platform);

/** One key or a chord, as it is printed on the keyboard: `mod+k` is ⌘K on a Mac and Ctrl K elsewhere. */
export function Kbd({ keys }: { keys: string }) {
  const shown = keys.split('+').map((key) => (key === 'mod' ? (isMac ? '⌘' : 'Ctrl') : key));
  return (
    <span className="inline-flex gap-0.5">
      {shown.map((key) => (
        <kbd
          key={key}
          className="inline-flex h-5 min-w-5 items-center justify-center rounded border border-line bg-sunken px-1 font-sans text-2xs font-medium text-ink-2"
        >
          {key}
        </kbd>
      ))}
    </span>
  );
}
