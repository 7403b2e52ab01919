import { Link } from "@tanstack/react-router";

import type { Approval } from "../../api/rows";
import { Marked } from "../../parts/Marked";
import { Facts, Panel } from "../../parts/Page";
import { Badge, Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Alike } from "./Alike";
import { Changes } from "./Changes";
import { CommentForm } from "./CommentForm";
import { draftOf } from "./drafts";
import { EditForm } from "./EditForm";
import { Answered } from "./Meanwhile";
import { useNames } from "../../shell/people";
import { useApproval } from "./queries";
import { RiskOf } from "./Risk";

interface Props {
  row: Approval;
  gone: boolean;
  busy: boolean;
  editing: boolean;
  commenting: boolean;
  onApprove: () => void;
  onRefuse: () => void;
  onEdit: (open: boolean) => void;
  onComment: (open: boolean) => void;
  onChanged: () => void;
  /** How many that wait ask for the same. */
  alike: number;
  onAlike: () => void;
}

/** One approval: the exact effect first, then why it was held, who asks, and what became of the like. */
export function Detail({ row, gone, busy, editing, commenting, onApprove, onRefuse, onEdit, onComment, onChanged, alike, onAlike }: Props) {
  const answer = useApproval(row.id, gone);
  const full = answer.data ?? row;
  const open = full.state === "pending" && !gone;
  const { nameOf } = useNames();
  return (
    <Panel className="min-w-0">
      <div className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-3">
        <h2 className="mr-auto text-base">{full.target}</h2>
        {full.quorum > 1 && <Badge tone="hold">{full.approvals} of {full.quorum} approvals</Badge>}
        <Status state={full.state} />
      </div>
      <div className="space-y-5 p-4">
        {open && (
          <div className="flex flex-wrap gap-2">
            <button type="button" className="btn btn-primary min-w-32" disabled={busy} onClick={onApprove}>Approve <span className="kbd">a</span></button>
            <button type="button" className="btn min-w-28" disabled={busy} onClick={onRefuse}>Refuse <span className="kbd">r</span></button>
            {full.editable && <button type="button" className="btn" disabled={busy} onClick={() => onEdit(!editing)}>Edit <span className="kbd">e</span></button>}
            {alike > 1 && <button type="button" className="btn" onClick={onAlike}>Mark {alike} alike <span className="kbd">l</span></button>}
            <button type="button" className="btn" onClick={() => onComment(!commenting)}>Comment <span className="kbd">c</span></button>
          </div>
        )}
        {!open && (gone || draftOf(full.id) !== undefined) && <Answered approval={full} />}
        {commenting && <CommentForm approval={full.id} onDone={() => {
          onComment(false);
          onChanged();
        }} />}
        {editing && open ? (
          <EditForm approval={full} onDone={() => {
            onEdit(false);
            onChanged();
          }} />
        ) : (
          <section aria-label="What will be done">
            <h3 className="mb-1.5">What will be done</h3>
            <Effect preview={full.preview} />
          </section>
        )}
        {full.diff !== null && <Changes diff={full.diff} />}
        <RiskOf risk={full.risk} />
        <div className="grid gap-x-8 gap-y-5 xl:grid-cols-2">
          <Facts rows={[
            ["Held because", full.reasons?.join(", ") ?? "–"],
            ["Asks", <>{full.pack}/{full.agent} for <strong title={full.requester}>{nameOf(full.requester)}</strong></>],
            ["Task", <Link key="task" to="/tasks/$task" params={{ task: full.task }} className={full.task_title === null ? "font-mono text-sm" : ""}>{full.task_title ?? full.task}</Link>],
            ["Asked", <Time key="asked" at={full.requested_at} />],
            [open ? "Expires" : "Ended", <Time key="ends" at={open ? full.expires_at : full.resolved_at} />],
          ]} />
          <Facts rows={[
            ["May answer", full.approver_roles?.join(", ") ?? "–"],
            ["Second person", full.four_eyes ? "whoever asked may refuse it, not approve it" : "not needed"],
            ["Quorum", `${full.approvals} of ${full.quorum}`],
            ...(full.resolved_by === null ? [] : [["Answered by", nameOf(full.resolved_by)] as [string, string]]),
          ]} />
        </div>
        <Alike approval={full} />
        {(full.remarks?.length ?? 0) > 0 && (
          <section aria-label="Remarks">
            <h3 className="mb-1.5">Remarks</h3>
            <ul className="space-y-2">
              {full.remarks?.map((remark, at) => (
                <li key={at} className="rounded-md border border-line bg-raised px-3 py-2">
                  <p>{remark.text ?? "erased"}</p>
                  <p className="text-sm text-ink-3">{nameOf(typeof remark.by === "string" ? remark.by : remark.by.id)}, <Time at={remark.at} /></p>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </Panel>
  );
}

/** Arguments by name, texts as texts: nobody approves JSON that they would have to read twice. */
function Effect({ preview }: { preview: Record<string, unknown> | null }) {
  if (preview === null) return <p className="text-ink-3">Nothing to show: its data were erased.</p>;
  const named = preview["arguments"];
  const fields = Object.entries(typeof named === "object" && named !== null ? named : preview);
  return (
    <dl className="overflow-hidden rounded-md border border-line">
      {fields.map(([name, value]) => (
        <div key={name} className="grid border-b border-line last:border-b-0 sm:grid-cols-[9rem_1fr]">
          <dt className="bg-raised px-3 py-2 font-mono text-sm text-ink-2">{name}</dt>
          <dd className="min-w-0 px-3 py-2">{typeof value === "string" ? <Marked text={value} /> : <code className="code">{JSON.stringify(value, null, 2)}</code>}</dd>
        </div>
      ))}
    </dl>
  );
}
