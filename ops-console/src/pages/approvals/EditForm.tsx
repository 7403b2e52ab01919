import { useMutation } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import type { Approval } from "../../api/rows";
import { Fault } from "../../parts/Fault";
import { toast } from "../../shell/Toasts";
import { draftOf, dropDraft, keepDraft } from "./drafts";

type Values = Record<string, unknown>;

/** Change what will be done. Texts are edited as texts, everything else as JSON; policy rules on the result anew. */
export function EditForm({ approval, onDone }: { approval: Approval; onDone: () => void }) {
  const tool = approval.kind === "tool";
  const given = approval.preview?.[tool ? "arguments" : "request"] ?? approval.preview ?? {};
  const original = given as Values;
  const [kept] = useState(() => draftOf(approval.id));
  const [drafts, setDrafts] = useState<Record<string, string>>(() => ({ ...Object.fromEntries(Object.entries(original).map(([name, value]) => [name, spelled(value)])), ...kept?.values }));
  const [begun] = useState(kept?.digest ?? approval.digest);
  const change = (name: string, value: string): void => {
    const values = { ...drafts, [name]: value };
    setDrafts(values);
    keepDraft(approval.id, { digest: begun, values });
  };
  const bad = Object.entries(original).filter(([name, value]) => typeof value !== "string" && !isJson(drafts[name] ?? "")).map(([name]) => name);

  const edit = useMutation({
    mutationFn: () => {
      const values = Object.fromEntries(Object.entries(original).map(([name, value]) => [name, typeof value === "string" ? drafts[name] : (JSON.parse(drafts[name] ?? "null") as unknown)]));
      const body = tool ? { digest: approval.digest, arguments: values } : { digest: approval.digest, request: values as components["schemas"]["ModelRequest"] };
      return sent(api.POST("/api/v1/approvals/{approval}/edit", { params: { path: { approval: approval.id } }, body }));
    },
    onSuccess: () => {
      dropDraft(approval.id);
      toast("Edited. Somebody else approves it, unless policy lets editors approve");
      onDone();
    },
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (bad.length === 0) edit.mutate();
  };
  return (
    <form onSubmit={submit} className="space-y-3" aria-label="Edit what will be done">
      {begun !== approval.digest && (
        <p role="status" className="rounded-md bg-[var(--wait-soft)] px-3 py-2 text-wait">Somebody else edited this while you did; what they changed stands below. Your text is kept: saving puts it in the place of theirs.</p>
      )}
      {Object.entries(original).map(([name, value], at) => (
        <div key={name}>
          <label className="label" htmlFor={`edit-${name}`}><code className="font-mono">{name}</code></label>
          <textarea id={`edit-${name}`} className={`field ${typeof value === "string" ? "" : "font-mono text-sm"}`} rows={Math.min(12, Math.max(1, Math.ceil((drafts[name]?.length ?? 0) / 80)))}
            // eslint-disable-next-line jsx-a11y/no-autofocus -- it was opened to edit
            autoFocus={at === 0} value={drafts[name] ?? ""} aria-invalid={bad.includes(name)}
            onChange={(event) => change(name, event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && onDone()} />
          {bad.includes(name) && <p className="mt-1 text-sm text-fail">Not valid JSON yet.</p>}
        </div>
      ))}
      <p className="text-sm text-ink-3">Placeholders such as &lt;EMAIL_1&gt; may stay: they mean what they meant.</p>
      {edit.error !== null && <Fault error={edit.error} />}
      <div className="flex gap-2">
        <button type="submit" className="btn btn-primary" disabled={edit.isPending || bad.length > 0}>{edit.isPending ? "Asking policy…" : "Save edit"}</button>
        <button type="button" className="btn" onClick={() => {
          dropDraft(approval.id);
          onDone();
        }}>Discard</button>
      </div>
    </form>
  );
}

function spelled(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
