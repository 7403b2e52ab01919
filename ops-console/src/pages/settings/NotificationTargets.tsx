import { useMutation, useQuery } from "@tanstack/react-query";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { Panel } from "../../parts/Page";
import { Badge } from "../../parts/Status";
import { Wide } from "../../parts/Wide";
import { toast } from "../../shell/Toasts";

/** Who is told of approvals and kill switches. */
export function NotificationTargets() {
  const targets = useQuery({ queryKey: ["notification-targets"], queryFn: () => sent(api.GET("/api/v1/notification-targets")) });
  const run = useMutation({
    mutationFn: (target: string) => sent(api.POST("/api/v1/notification-targets/{target}/test", { params: { path: { target } } })),
    onSuccess: (said, target) => toast(said.ok ? `${target} took the test${said.status == null ? "" : ` (${said.status})`}` : `${target} did not take the test: ${said.detail}`, said.ok ? "done" : "fail"),
    onError: (error) => toast(told(error), "fail"),
  });
  return (
    <Panel title="Notification targets">
      {targets.error !== null && <Fault error={targets.error} onRetry={targets.refetch} />}
      {targets.isPending ? <Loading what="notification targets" /> : (targets.data?.items.length ?? 0) === 0 ? (targets.error === null && <Empty title="Nobody is notified">Name a file of targets (signed webhooks, mail) in AGENTOS_GATES_NOTIFICATIONS_FILE and start the gates anew.</Empty>) : (
        <Wide label="Table of targets">
          <table className="grid-table">
            <thead><tr><th>Name</th><th>By</th><th>To</th><th>Of what</th><th>State</th><th><span className="sr-only">Acts</span></th></tr></thead>
            <tbody>
              {targets.data?.items.map((each) => (
                <tr key={each.name}>
                  <td className="font-medium">{each.name}</td><td>{each.transport === "smtp" ? "mail" : "signed webhook"}</td>
                  <td>{each.address}{each.roles.length > 0 && <span className="block text-sm text-ink-2">for {each.roles.map((role) => (role === "*" ? "all" : role)).join(", ")}</span>}</td>
                  <td className="min-w-48 text-sm text-ink-2">{each.events.join(", ")}</td>
                  <td>{each.disabled ? <Badge tone="fail">said that it is gone</Badge> : <Badge tone="done">in use</Badge>}</td>
                  <td className="num"><button type="button" className="btn" aria-label={`Test ${each.name}`} disabled={run.isPending} onClick={() => run.mutate(each.name)}>Test</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
    </Panel>
  );
}
