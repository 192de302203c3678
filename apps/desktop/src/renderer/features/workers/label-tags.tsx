import { Tag } from '../../components/status.tsx';

export function LabelTags({ labels, none }: { labels: Readonly<Record<string, string>>; none: string }) {
  const entries = Object.entries(labels);
  if (entries.length === 0) return <span className="text-xs text-ink-3">{none}</span>;
  return (
    <span className="flex flex-wrap gap-1">
      {entries.map(([name, value]) => (
        <Tag key={name}>
          {name}={value}
        </Tag>
      ))}
    </span>
  );
}
