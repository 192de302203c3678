import { Tabs } from '@base-ui/react/tabs';
import type { ReactNode } from 'react';

/** Tabs whose choice is in the address. Only the chosen panel is there. */
export function ViewTabs<Name extends string>({
  tabs,
  value,
  onChange,
  children,
}: {
  tabs: readonly { name: Name; text: string; count?: number | undefined }[];
  value: Name;
  onChange: (name: Name) => void;
  children: ReactNode;
}) {
  return (
    <Tabs.Root value={value} onValueChange={(name) => onChange(name as Name)} className="flex flex-col gap-4">
      <Tabs.List className="flex gap-5 border-b border-line">
        {tabs.map(({ name, text, count }) => (
          <Tabs.Tab
            key={name}
            value={name}
            className="-mb-px flex h-9 items-center gap-1.5 border-b-2 border-transparent px-0.5 text-sm font-medium text-ink-2 hover:text-ink data-active:border-accent data-active:text-ink"
          >
            {text}
            {count !== undefined && (
              <span className="rounded-full bg-idle-soft px-1.5 text-2xs font-semibold text-ink-2">{count}</span>
            )}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value={value} className="outline-offset-4">
        {children}
      </Tabs.Panel>
    </Tabs.Root>
  );
}
