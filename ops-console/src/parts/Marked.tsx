import { PLACEHOLDER } from "./placeholders";

/** A text whose placeholders stand out: they mean personal data that the console does not show. */
export function Marked({ text }: { text: string }) {
  return (
    <span className="whitespace-pre-wrap break-words">
      {text.split(PLACEHOLDER).map((part, at) => (at % 2 === 1 ? <Mark key={at} title="Stands for personal data">{part.slice(1, -1)}</Mark> : part))}
    </span>
  );
}

export function Mark({ title, children }: { title: string; children: string }) {
  return <mark className="rounded bg-[var(--hold-soft)] px-1 font-mono text-sm text-hold" title={title}>{children}</mark>;
}
