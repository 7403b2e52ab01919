import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SubmitEvent, useState } from "react";

import { api, sent } from "../../api/client";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { tail } from "../../parts/format";
import { Modal } from "../../parts/Modal";
import { Facts, Panel } from "../../parts/Page";

type Source = components["schemas"]["SourceItem"];

/** Who may send work. A test is signed as the sender signs, and what comes of it is real. */
export function WebhookSources() {
  const [testing, setTesting] = useState<Source | null>(null);
  const sources = useQuery({ queryKey: ["webhook-sources"], queryFn: () => sent(api.GET("/api/v1/webhook-sources")) });
  if (sources.isPending) return <Loading what="webhook sources" />;
  if (sources.error !== null) return <Fault error={sources.error} onRetry={sources.refetch} />;
  return (
    <>
      {testing !== null && <Test source={testing} onClose={() => setTesting(null)} />}
      {sources.data.items.length === 0 ? (
        <div className="panel"><Empty title="No webhook source is configured">Name a sources file in AGENTOS_GATEWAY_SOURCES_FILE and start the gateway anew: each source has a kind (github or standard), a secret, and the task type of each event.</Empty></div>
      ) : (
        <div className="grid items-start gap-4 xl:grid-cols-2">
          {sources.data.items.map((source) => (
            <Panel key={source.name} title={source.name} actions={<button type="button" className="btn" aria-label={`Test ${source.name}`} onClick={() => setTesting(source)}>Test…</button>}>
              <div className="p-4">
                <Facts rows={[
                  ["Kind", source.kind === "github" ? "GitHub" : "Standard Webhooks"],
                  ["Deliver to", <code key="d" className="font-mono text-sm break-all">{window.location.origin}{source.path}</code>],
                  ["Events", <ul key="e">{Object.entries(source.events).map(([event, type]) => <li key={event}><code className="font-mono text-sm">{event}</code> becomes a task {type}</li>)}</ul>],
                  ["For", source.pack ?? "whichever pack takes it"], ["Priority", source.priority],
                ]} />
              </div>
            </Panel>
          ))}
        </div>
      )}
    </>
  );
}

const ISSUE = { issue: { number: 1, title: "A test of the webhook", body: "Sent from the console.", user: { login: "console" }, labels: [], html_url: "https://github.com/example/example/issues/1" }, repository: { full_name: "example/example" } };

function Test({ source, onClose }: { source: Source; onClose: () => void }) {
  const [event, setEvent] = useState(Object.keys(source.events).find((each) => each !== "*") ?? (source.kind === "github" ? "ping" : ""));
  const [body, setBody] = useState(source.kind === "github" ? JSON.stringify(ISSUE, null, 2) : "{}");
  const [broken, setBroken] = useState<string | null>(null);
  const run = useMutation({ mutationFn: (payload: Record<string, unknown>) => sent(api.POST("/api/v1/webhook-sources/{source}/test", { params: { path: { source: source.name } }, body: { event: event.trim(), body: payload } })) });
  const submit = (submitted: SubmitEvent): void => {
    submitted.preventDefault();
    try {
      const payload = JSON.parse(body) as Record<string, unknown>;
      setBroken(null);
      run.mutate(payload);
    } catch (fault) {
      setBroken(`This is no JSON: ${fault instanceof Error ? fault.message : ""}`);
    }
  };
  return (
    <Modal title={`Test ${source.name}`} onClose={onClose} wide>
      <form onSubmit={submit} className="space-y-4">
        <p className="text-ink-2">It is signed with the source&apos;s secret and taken as a delivery of its sender: an event that is wanted makes a real task.</p>
        <div>
          <label className="label" htmlFor="test-event">Event</label>
          <input id="test-event" className="field" required list="test-events" value={event} onChange={(changed) => setEvent(changed.target.value)} />
          <datalist id="test-events">{[...Object.keys(source.events).filter((each) => each !== "*"), ...(source.kind === "github" ? ["ping"] : [])].map((each) => <option key={each} value={each} />)}</datalist>
        </div>
        <div><label className="label" htmlFor="test-body">Payload</label><textarea id="test-body" className="field code min-h-52" spellCheck={false} value={body} onChange={(changed) => setBody(changed.target.value)} /></div>
        {broken !== null && <p role="alert" className="text-fail">{broken}</p>}
        {run.error !== null && <Fault error={run.error} />}
        {run.data !== undefined && (
          <p role="status" className="rounded-md bg-[var(--done-soft)] p-2.5 text-done">
            The signature holds. {run.data.pong === true ? "The ping was answered." : run.data.ignored === true ? `Nothing came of it: ${run.data.reason ?? ""}.` : run.data.task != null ? <>It became task <Link to="/tasks/$task" params={{ task: run.data.task }}>{tail(run.data.task)}</Link>.</> : null}
          </p>
        )}
        <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Close</button><button type="submit" className="btn btn-primary" disabled={run.isPending}>Send the test</button></div>
      </form>
    </Modal>
  );
}
