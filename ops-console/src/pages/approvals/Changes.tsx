import { Json } from "../../parts/Json";

interface Change { path: string; old?: unknown; new?: unknown }

/** What an edit changed, before and after side by side. */
export function Changes({ diff }: { diff: unknown }) {
  if (!Array.isArray(diff)) return <Json value={diff} label="What was changed" />;
  return (
    <section aria-label="What was changed">
      <h3 className="mb-1.5">What was changed</h3>
      <ul className="space-y-2">
        {(diff as Change[]).map((change, at) => (
          <li key={at} className="overflow-hidden rounded-md border border-line">
            <p className="bg-raised px-3 py-1 font-mono text-sm">{change.path}</p>
            <div className="grid sm:grid-cols-2">
              <del className="code block bg-[var(--fail-soft)] px-3 py-2 no-underline"><span className="sr-only">before: </span>{text(change.old)}</del>
              <ins className="code block bg-[var(--done-soft)] px-3 py-2 no-underline"><span className="sr-only">after: </span>{text(change.new)}</ins>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
