import type { Drilled } from "../../api/rows";
import { count, tail } from "../../parts/format";
import { Panel } from "../../parts/Page";
import { Badge } from "../../parts/Status";
import { Wide } from "../../parts/Wide";

export const ms = (value: number | null | undefined): string => (value == null ? "–" : `${value.toFixed(1)} ms`);

interface Reach { service: string; instance: string; seen: number; missed: number; p50_ms?: number | null; p99_ms?: number | null; max_ms?: number | null }

/** What the drill that was just done has found. */
export function Figures({ drilled }: { drilled: Drilled }) {
  const missed = drilled.instances.reduce((sum, each) => sum + each.missed, 0);
  return (
    <Panel title={`Drill: ${count(drilled.rounds)} rounds, ${count(drilled.instances.length)} instances`} actions={missed === 0 ? <Badge tone="done">every instance saw each</Badge> : <Badge tone="fail">{count(missed)} missed</Badge>}>
      <p className="px-4 py-3">From the switch to every instance's word: half within <strong>{ms(drilled.p50_ms)}</strong>, 99 of 100 within <strong>{ms(drilled.p99_ms)}</strong>, the slowest <strong>{ms(drilled.max_ms)}</strong>.</p>
      <Instances instances={drilled.instances} />
    </Panel>
  );
}

export function Instances({ instances }: { instances: readonly Reach[] }) {
  return (
    <Wide label="The drill's figures">
      <table className="grid-table">
        <thead><tr><th>Service</th><th>Instance</th><th className="num">Seen</th><th className="num">Missed</th><th className="num">p50</th><th className="num">p99</th><th className="num">Slowest</th></tr></thead>
        <tbody>
          {instances.map((each) => (
            <tr key={`${each.service}.${each.instance}`}><td>{each.service}</td><td className="font-mono text-sm">{tail(each.instance)}</td><td className="num">{count(each.seen)}</td><td className={`num ${each.missed > 0 ? "font-semibold text-fail" : ""}`}>{count(each.missed)}</td><td className="num">{ms(each.p50_ms)}</td><td className="num">{ms(each.p99_ms)}</td><td className="num">{ms(each.max_ms)}</td></tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}
