import { ChevronDown, Search } from 'lucide-react';
import { type ComponentProps, type ReactNode, useId } from 'react';

const inputClass =
  'w-full rounded-md border border-line-strong bg-surface px-2.5 text-sm text-ink focus-visible:outline-offset-0 aria-[invalid=true]:border-bad-bar';

/** A labelled input; its hint or what is wrong with it stands below and is read with it. */
export function Field({
  label,
  hint,
  problem,
  children,
}: {
  label: string;
  hint?: ReactNode;
  problem?: string | null | undefined;
  children: (wiring: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean }) => ReactNode;
}) {
  const id = useId();
  const note = problem ?? hint;
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-xs font-semibold text-ink">
        {label}
      </label>
      {children({ id, 'aria-describedby': note ? `${id}-note` : undefined, 'aria-invalid': Boolean(problem) })}
      {note && (
        <p id={`${id}-note`} className={`mt-1 text-xs ${problem ? 'text-bad' : 'text-ink-3'}`}>
          {note}
        </p>
      )}
    </div>
  );
}

export function TextInput({ className = '', ...rest }: ComponentProps<'input'>) {
  return <input autoComplete="off" spellCheck={false} {...rest} className={`${inputClass} h-8 ${className}`} />;
}

export function TextArea({ className = '', ...rest }: ComponentProps<'textarea'>) {
  return <textarea rows={2} {...rest} className={`${inputClass} resize-y py-1.5 ${className}`} />;
}

export function NumberInput({ className = '', ...rest }: ComponentProps<'input'>) {
  return (
    <input
      type="number"
      inputMode="numeric"
      step={1}
      autoComplete="off"
      {...rest}
      className={`${inputClass} h-8 ${className}`}
    />
  );
}

/** A choice within a form: the system's own list, as wide as other inputs. */
export function SelectInput({
  options,
  ...rest
}: ComponentProps<'select'> & { options: readonly { value: string; text: string }[] }) {
  return (
    <span className="relative block">
      <select {...rest} className={`${inputClass} h-8 appearance-none pr-8`}>
        {options.map(({ value, text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <ChevronDown aria-hidden className="pointer-events-none absolute top-2 right-2.5 size-4 text-ink-3" />
    </span>
  );
}

export function SearchInput({ label, className = '', ...rest }: ComponentProps<'input'> & { label: string }) {
  return (
    <span className={`relative inline-flex items-center ${className}`}>
      <Search aria-hidden className="pointer-events-none absolute left-2 size-3.5 text-ink-3" />
      <input
        type="search"
        autoComplete="off"
        spellCheck={false}
        aria-label={label}
        placeholder={label}
        {...rest}
        className={`${inputClass} h-7 !pl-7 text-xs`}
      />
    </span>
  );
}

/** A filter: the system's own list, so that it works with every keyboard and reader. */
export function Select({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: readonly { value: string; text: string }[];
  onChange: (value: string) => void;
}) {
  return (
    <span className="relative inline-flex items-center">
      <select
        aria-label={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="h-7 appearance-none rounded-md border border-line-strong bg-surface py-0 pr-7 pl-2.5 text-xs text-ink"
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
      <ChevronDown aria-hidden className="pointer-events-none absolute right-2 size-3.5 text-ink-3" />
    </span>
  );
}

export function Checkbox({
  label,
  hint,
  checked,
  onChange,
}: {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <label className="flex cursor-pointer items-start gap-2 py-0.5">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
        className="mt-0.5 size-4 shrink-0 accent-[var(--accent)]"
      />
      <span>
        <span className="text-ink">{label}</span>
        {hint && <span className="block text-xs text-ink-3">{hint}</span>}
      </span>
    </label>
  );
}
