import { useId } from 'react';

/** One of a few, all in sight. */
export function Choices<Value extends string>({
  label,
  value,
  choices,
  onChange,
}: {
  label: string;
  value: Value;
  choices: readonly { value: Value; text: string; hint?: string }[];
  onChange: (value: Value) => void;
}) {
  const name = useId();
  return (
    <fieldset>
      <legend className="mb-1 text-xs font-semibold text-ink">{label}</legend>
      <div className="grid grid-cols-[repeat(auto-fit,minmax(9rem,1fr))] gap-2">
        {choices.map((choice) => (
          <label
            key={choice.value}
            className={`flex cursor-pointer items-start gap-2 rounded-md border px-2.5 py-1.5 has-focus-visible:outline-2 has-focus-visible:outline-accent ${
              choice.value === value ? 'border-accent bg-accent-soft' : 'border-line-strong hover:bg-sunken'
            }`}
          >
            <input
              type="radio"
              name={name}
              checked={choice.value === value}
              onChange={() => onChange(choice.value)}
              className="mt-1 accent-[var(--accent)]"
            />
            <span className="min-w-0">
              <span className="block font-medium text-ink first-letter:uppercase">{choice.text}</span>
              {choice.hint && <span className="block text-xs text-ink-2">{choice.hint}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
