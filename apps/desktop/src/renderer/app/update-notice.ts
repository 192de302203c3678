import { useEffect } from 'react';
import { toast } from 'sonner';
import { platform } from '../lib/platform.ts';

/** Offers the newer console that was downloaded; it stays until somebody decides. */
export function useUpdateNotice(): void {
  useEffect(
    () =>
      platform.onUpdateReady((version) =>
        toast.info(`Starling ${version} is ready`, {
          id: 'update',
          duration: Number.POSITIVE_INFINITY,
          description: 'It is installed when you restart, or now.',
          action: { label: 'Restart now', onClick: () => platform.installUpdate() },
        }),
      ),
    [],
  );
}
