import { type ReactNode, type RefObject, useId } from 'react';
import { Button } from './button.tsx';
import { Modal } from './modal.tsx';

/** A dialog that asks for something and does it: a form, and below it why it cannot be sent yet, a way out and the deed. */
export function FormModal({
  title,
  description,
  onClose,
  initialFocus,
  blocked,
  busy,
  deed,
  icon,
  look = 'primary',
  wayOut = 'Cancel',
  onSubmit,
  children,
}: {
  title: ReactNode;
  description?: ReactNode;
  onClose: () => void;
  initialFocus?: RefObject<HTMLElement | null>;
  /** Why the form cannot be sent as it is, in a sentence; null when it can. */
  blocked: string | null;
  /** It was sent, and the answer is not there yet. */
  busy: boolean;
  /** What sending it does. */
  deed: string;
  icon?: ReactNode;
  look?: 'primary' | 'danger';
  wayOut?: string;
  onSubmit: () => void;
  children: ReactNode;
}) {
  const form = useId();
  return (
    <Modal
      title={title}
      description={description}
      onClose={onClose}
      {...(initialFocus && { initialFocus })}
      footer={
        <>
          {blocked && <span className="mr-auto max-w-80 text-xs text-ink-2">{blocked}</span>}
          <Button onClick={onClose}>{wayOut}</Button>
          <Button type="submit" form={form} look={look} busy={busy} disabledBecause={blocked} icon={icon}>
            {deed}
          </Button>
        </>
      }
    >
      <form
        id={form}
        className="flex flex-col gap-3.5"
        onSubmit={(event) => {
          event.preventDefault();
          if (!blocked && !busy) onSubmit();
        }}
      >
        {children}
      </form>
    </Modal>
  );
}
