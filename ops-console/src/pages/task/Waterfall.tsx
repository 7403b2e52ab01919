import { duration } from "../../parts/format";
import { Status, toneOf } from "../../parts/Status";
import { useNow } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import type { Span } from "./spans";

const KINDS: Record<Span["kind"], string> = { task: "attempt", call: "model", tool: "tool", approval: "approval", checkpoint: "gate", kill: "kill", other: "event" };

/** Everything that the task did, on one scale of time; a row opens its events. */
export function Waterfall({ spans, open, onOpen }: { spans: Span[]; open: string | null; onOpen: (id: string) => void }) {
  const now = useNow();
  const first = Math.min(...spans.map((span) => span.start));
  const end = Math.max(...spans.map((span) => span.end ?? now), first + 1);
  const scale = (at: number): number => ((at - first) / (end - first)) * 100;
  return (
    <Wide label="Waterfall">
      <table className="grid-table min-w-[46rem]">
        <thead><tr><th className="w-64">Step</th><th className="w-32">State</th><th>From beginning to end, {duration(end - first)}</th><th className="num w-24">Took</th></tr></thead>
        <tbody>
          {spans.map((span) => {
            const left = Math.min(scale(span.start), 99.3);
            const width = Math.max(scale(span.end ?? now) - left, 0.7);
            return (
              <tr key={span.id} className={span.id === open ? "bg-accent-soft" : "hover:bg-raised"}>
                <td>
                  <button type="button" className="flex w-full min-w-0 items-baseline gap-2 text-left" aria-expanded={span.id === open} onClick={() => onOpen(span.id)}>
                    <span className="w-16 shrink-0 text-sm text-ink-3">{KINDS[span.kind]}</span>
                    <span className="truncate font-medium underline decoration-line underline-offset-4">{span.title}</span>
                  </button>
                </td>
                <td><Status state={span.state} /></td>
                <td title={span.note}>
                  <svg className="h-4 w-full" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                    <rect x="0" y="4.5" width="100" height="1" fill="var(--line)" />
                    <rect x={left} y="1" width={Math.min(width, 100 - left)} height="8" rx="0.3" fill={`var(--${toneOf(span.state)})`} opacity={span.end === null ? 0.55 : 1} />
                  </svg>
                  {span.note !== "" && <span className="block truncate text-sm text-ink-3">{span.note}</span>}
                </td>
                <td className="num">{span.end === null ? "going on" : duration(span.end - span.start)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Wide>
  );
}
