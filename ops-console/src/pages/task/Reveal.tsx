import { useMutation } from "@tanstack/react-query";
import { type ReactNode, type SubmitEvent, useState } from "react";

import { api, item } from "../../api/client";
import { Fault } from "../../parts/Fault";
import { Json } from "../../parts/Json";

export interface Revealed { value: unknown; restored?: unknown; field: string }

/** Sealed text of an event, named by its subject or id, in clear, for a reason that the log keeps before anything is shown. It is gone when the row closes. */
export function Reveal({ event, fields, show = (revealed) => <Json value={revealed.restored ?? revealed.value} label={`Revealed ${revealed.field}`} /> }: { event: string; fields: string[]; show?: (revealed: Revealed) => ReactNode }) {
  const [field, setField] = useState(fields[0] ?? "");
  const [reason, setReason] = useState("");
  const reveal = useMutation({
    mutationFn: () => item<Revealed>(api.POST("/api/v1/payloads/reveal", { body: { event, field, reason: reason.trim() } })),
  });
  const submit = (submitted: SubmitEvent): void => {
    submitted.preventDefault();
    reveal.mutate();
  };
  if (reveal.data !== undefined) {
    return (
      <div className="space-y-2">
        <p className="rounded-md bg-[var(--wait-soft)] px-3 py-1.5 text-wait">In clear. That you looked, and why, stands in the audit log.</p>
        {show(reveal.data)}
      </div>
    );
  }
  return (
    <form onSubmit={submit} className="flex flex-wrap items-end gap-2 rounded-md border border-dashed border-[var(--line-strong)] p-3">
      {fields.length > 1 && (
        <label className="text-sm">Sealed field
          <select className="field" value={field} onChange={(change) => setField(change.target.value)}>{fields.map((each) => <option key={each}>{each}</option>)}</select>
        </label>
      )}
      <label className="min-w-52 flex-1 text-sm">Reveal sealed <code className="font-mono">{field}</code> because
        <input className="field" required minLength={3} maxLength={1000} value={reason} onChange={(change) => setReason(change.target.value)} placeholder="stands in the log; name no person" />
      </label>
      <button type="submit" className="btn" disabled={reveal.isPending}>Reveal</button>
      {reveal.error !== null && <div className="w-full"><Fault error={reveal.error} /></div>}
    </form>
  );
}
