import { type ComponentProps, useEffect, useState } from 'react';
import { Button } from './button.tsx';

const patienceMs = 5_000;

/** For what cannot be undone and is small: it is pressed twice, and forgets the first time after a while. */
export function ConfirmButton({
  onConfirm,
  again,
  children,
  ...rest
}: Omit<ComponentProps<typeof Button>, 'onClick'> & {
  onConfirm: () => void;
  /** What it says when it was pressed once, for example `Really remove?`. */
  again: string;
}) {
  const [isArmed, setArmed] = useState(false);
  useEffect(() => {
    if (!isArmed) return;
    const forget = setTimeout(() => setArmed(false), patienceMs);
    return () => clearTimeout(forget);
  }, [isArmed]);
  return (
    <Button
      {...rest}
      look={isArmed ? 'danger' : (rest.look ?? 'plain')}
      onBlur={() => setArmed(false)}
      onClick={() => {
        setArmed(!isArmed);
        if (isArmed) onConfirm();
      }}
    >
      {isArmed ? again : children}
    </Button>
  );
}
