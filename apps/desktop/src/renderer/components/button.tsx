import type { ComponentProps, ReactNode } from 'react';

type Look = 'primary' | 'plain' | 'danger' | 'quiet';

const looks: Record<Look, string> = {
  primary: 'bg-accent text-on-accent border-transparent hover:bg-accent-hover font-medium',
  plain: 'bg-surface text-ink border-line hover:bg-sunken shadow-low',
  danger: 'bg-surface text-bad border-bad-bar/60 hover:bg-bad-soft font-medium',
  quiet: 'bg-transparent text-ink-2 border-transparent hover:bg-sunken hover:text-ink',
};

export const buttonClass = (look: Look = 'plain', size: 'small' | 'normal' = 'normal') =>
  `inline-flex items-center justify-center gap-1.5 rounded-md border whitespace-nowrap select-none transition-colors ${
    size === 'small' ? 'h-7 px-2 text-xs' : 'h-8 px-3 text-sm'
  } ${looks[look]}`;

interface ButtonProps extends Omit<ComponentProps<'button'>, 'disabled'> {
  look?: Look;
  size?: 'small' | 'normal';
  /** Why it cannot be pressed now. It stays focusable, so that the reason can be read with a keyboard too. */
  disabledBecause?: string | null | undefined;
  busy?: boolean;
  icon?: ReactNode;
}

export function Button({
  look = 'plain',
  size = 'normal',
  disabledBecause = null,
  busy = false,
  icon,
  className = '',
  children,
  onClick,
  type = 'button',
  ...rest
}: ButtonProps) {
  const isDisabled = disabledBecause !== null || busy;
  return (
    <button
      {...rest}
      type={type}
      aria-disabled={isDisabled || undefined}
      aria-busy={busy || undefined}
      title={rest.title ?? disabledBecause ?? undefined}
      onClick={(event) => {
        if (isDisabled) event.preventDefault();
        else onClick?.(event);
      }}
      className={`${buttonClass(isDisabled && look !== 'quiet' ? 'plain' : look, size)} ${
        isDisabled ? '!bg-sunken !text-ink-3 !border-line !shadow-none' : ''
      } ${className}`}
    >
      {icon}
      {children}
    </button>
  );
}

interface IconButtonProps extends Omit<ComponentProps<'button'>, 'aria-label'> {
  label: string;
}

export function IconButton({ label, children, className = '', ...rest }: IconButtonProps) {
  return (
    <button
      {...rest}
      type="button"
      aria-label={label}
      title={rest.title ?? label}
      className={`inline-flex size-7 shrink-0 items-center justify-center rounded-md text-ink-3 hover:bg-sunken hover:text-ink ${className}`}
    >
      {children}
    </button>
  );
}
