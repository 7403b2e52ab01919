import { useQuery } from "@tanstack/react-query";

import { api, page } from "../../api/client";
import type { Approval } from "../../api/rows";
import { count } from "../../parts/format";
import { Status } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { useNames } from "../../shell/people";

const LAST = 5;

/** How the same was answered before: figures of all, and the last few with who and when. */
export function Alike({ approval }: { approval: Approval }) {
  const { nameOf } = useNames();
  const answer = useQuery({
    queryKey: ["approvals", "like", approval.id],
    queryFn: () => page<Approval>(api.GET("/api/v1/approvals", { params: { query: { like: approval.id, limit: 50 } } })),
  });
  const past = Object.entries(approval.history).filter(([state]) => state !== "pending");
  const last = (answer.data?.items ?? []).filter((row) => row.id !== approval.id && row.state !== "pending").slice(0, LAST);
  return (
    <section aria-label="History of the like">
      <h3 className="mb-1.5">The like before</h3>
      <p className="text-ink-2">{past.length === 0 ? "Never answered before." : past.map(([state, times]) => `${count(times)} ${state}`).join(", ")}</p>
      {last.length > 0 && (
        <ul className="mt-1.5 space-y-1">
          {last.map((row) => (
            <li key={row.id} className="flex flex-wrap items-center gap-x-3 text-ink-2">
              <Status state={row.state} />
              <span>{row.resolved_by === null ? "by nobody" : `by ${nameOf(row.resolved_by)}`}</span>
              <span className="text-sm text-ink-3"><Time at={row.resolved_at} /></span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
