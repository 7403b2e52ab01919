import type { Risk } from "../../api/rows";
import { Badge, type Tone } from "../../parts/Status";

const TONES: Record<Risk["level"], Tone> = { low: "idle", medium: "wait", high: "fail" };

export function RiskBadge({ level }: { level: Risk["level"] }) {
  return <Badge tone={TONES[level]}>{level} risk</Badge>;
}

/** What is known that makes it risky, said in words; the gravest first. */
export function RiskOf({ risk }: { risk: Risk }) {
  return (
    <section aria-label="Risk">
      <h3 className="mb-1.5 flex items-center gap-2">Risk <RiskBadge level={risk.level} /></h3>
      <ul className="list-disc space-y-0.5 pl-5 text-ink-2">
        {risk.because.map((each) => <li key={each.text} className={each.level === risk.level && risk.level !== "low" ? "font-medium text-ink" : ""}>{each.text}</li>)}
      </ul>
    </section>
  );
}
