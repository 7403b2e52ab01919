import type { Approval } from "../../api/rows";
import { Time } from "../../parts/Time";
import { draftOf } from "./drafts";
import { useNames } from "../../shell/people";

/** What somebody else did while this was open: who, what, when; and what was typed here and not sent, to keep. */
export function Answered({ approval }: { approval: Approval }) {
  const { nameOf } = useNames();
  const draft = draftOf(approval.id);
  const who = approval.resolved_kind === "user" || approval.resolved_kind === "api_key" || approval.resolved_by !== null ? nameOf(approval.resolved_by) : "nobody";
  return (
    <div role="status" className="space-y-2 rounded-md bg-[var(--wait-soft)] px-3 py-2 text-wait">
      <p className="font-medium">{approval.state === "pending" ? "It was answered a moment ago." : <>It is {approval.state} by {who}, <Time at={approval.resolved_at} />.</>}{draft !== undefined && " Your edit was not sent; this is what you had typed:"}</p>
      {draft !== undefined && Object.entries(draft.values).map(([name, value]) => (
        <label key={name} className="block text-sm">{name}
          <textarea readOnly className="field" rows={Math.min(6, Math.max(1, Math.ceil(value.length / 80)))} value={value} />
        </label>
      ))}
    </div>
  );
}
