import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { api, sent } from "../../api/client";
import { Fault, Loading } from "../../parts/Fault";
import { count, tail } from "../../parts/format";
import { Json } from "../../parts/Json";
import { Modal } from "../../parts/Modal";
import { Facts } from "../../parts/Page";
import { Time } from "../../parts/Time";

/** One dead letter with its message; what is sealed in it stays so. */
export function Letter({ id, onClose, onRetry, onDiscard }: { id: string; onClose: () => void; onRetry: (id: string) => void; onDiscard: (id: string) => void }) {
  const answer = useQuery({ queryKey: ["deadletter", id], queryFn: () => sent(api.GET("/api/v1/deadletters/{letter}", { params: { path: { letter: Number(id) } } })) });
  const act = (does: (id: string) => void) => () => {
    onClose();
    does(id);
  };
  const said = answer.data;
  return (
    <Modal title={said?.code ?? "Dead letter"} onClose={onClose} wide>
      {answer.error !== null && <Fault error={answer.error} onRetry={answer.refetch} />}
      {said === undefined ? answer.error === null && <Loading what="the message" /> : (
        <div className="space-y-4">
          <p>{said.detail}</p>
          <Facts rows={[
            ["Service", `${said.service ?? "–"} (${said.consumer ?? "–"})`], ["Subject", <code key="s" className="font-mono text-sm break-all">{said.subject ?? "–"}</code>],
            ["Place", `${said.stream ?? "–"}, ${count(said.seq)}`], ["Tries", count(said.deliveries)], ["Given up", <Time key="t" at={said.time} />],
            ["Belongs to", said.correlation_id == null ? "–" : <Link key="b" to="/tasks/$task" params={{ task: said.correlation_id }}>{tail(said.correlation_id)}</Link>],
            ...(said.settled_by == null ? [] : [["Decided", <>{said.settled_by}, <Time at={said.settled_at} />{said.reason != null && said.reason !== "" && <>: {said.reason}</>}</>] as [string, React.ReactNode]]),
          ]} />
          <div>
            <h3 className="mb-1">The message</h3>
            {said.message_state === "shown" ? <Json value={said.message} label="The message" /> : <p className="text-ink-2">{said.message_state === "gone" ? "Its stream has forgotten it." : "It does not say whose it is, so nobody is shown it."}</p>}
          </div>
          {said.state === "open" && (
            <div className="flex justify-end gap-2">
              <button type="button" className="btn" onClick={act(onDiscard)}>Discard…</button>
              <button type="button" className="btn btn-primary" disabled={!said.retryable} title={said.retryable ? undefined : "its message cannot be had any more"} onClick={act(onRetry)}>Try again</button>
            </div>
          )}
        </div>
      )}
    </Modal>
  );
}
