import { Checkbox } from '../components/field.tsx';
import { Kbd } from '../components/kbd.tsx';
import { Modal } from '../components/modal.tsx';
import { useUi } from '../lib/ui-state.ts';
import { keyList } from './use-shortcuts.ts';

export function KeysDialog() {
  const { setOverlay, singleKeys, setSingleKeys } = useUi();
  return (
    <Modal title="Keys" onClose={() => setOverlay(null)}>
      <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
        {keyList.map(({ title, keys }) => (
          <section key={title}>
            <h3 className="eyebrow mb-1">{title}</h3>
            <dl>
              {keys.map(([chord, text]) => (
                <div key={text} className="flex items-center justify-between gap-3 py-1">
                  <dt className="text-ink">{text}</dt>
                  <dd className="flex shrink-0 items-center gap-1">
                    {chord.map((key) => (
                      <Kbd key={key} keys={key} />
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <div className="border-t border-line pt-3">
        <Checkbox
          label="Single keys act"
          hint="Turn off if you dictate, or if a slip should never open a dialog. ⌘K and Ctrl K always work."
          checked={singleKeys}
          onChange={setSingleKeys}
        />
      </div>
    </Modal>
  );
}
