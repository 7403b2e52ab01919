import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, sent } from "../../api/client";
import { told } from "../../api/problem";
import type { components } from "../../api/schema";
import { Empty, Fault, Loading } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import { Page, Panel } from "../../parts/Page";
import { Badge } from "../../parts/Status";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { useMe } from "../../session/may";
import { toast } from "../../shell/Toasts";
import { EditPerson, GivePassword, NewPerson } from "./PersonForms";
import { Sections } from "./Sections";

export type Person = components["schemas"]["UserItem"];
type Act = { kind: "new" } | { kind: "edit" | "password" | "disable" | "delete"; person: Person };

/** Who may sign in, and what they may do. */
export function People() {
  const [act, setAct] = useState<Act | null>(null);
  const client = useQueryClient();
  const me = useMe().data?.id;
  const people = useQuery({ queryKey: ["users"], queryFn: () => sent(api.GET("/api/v1/users")) });
  const close = (): void => setAct(null);
  const done = (text: string): void => {
    toast(text);
    close();
    void client.invalidateQueries({ queryKey: ["users"] });
  };
  const enable = useMutation({
    mutationFn: (person: Person) => sent(api.PATCH("/api/v1/users/{user}", { params: { path: { user: person.id } }, body: { disabled: false } })),
    onSuccess: (person) => done(`${person.name} may sign in again`),
    onError: (error) => toast(told(error), "fail"),
  });
  return (
    <Page title="Settings" actions={<button type="button" className="btn btn-primary" onClick={() => setAct({ kind: "new" })}>New person</button>}>
      <Sections />
      {act?.kind === "new" && <NewPerson onClose={close} onDone={done} />}
      {act?.kind === "edit" && <EditPerson person={act.person} onClose={close} onDone={done} />}
      {act?.kind === "password" && <GivePassword person={act.person} onClose={close} onDone={done} />}
      {(act?.kind === "disable" || act?.kind === "delete") && <Sure kind={act.kind} person={act.person} onClose={close} onDone={done} />}
      <Panel title="People">
        {people.error !== null && <div className="p-4"><Fault error={people.error} /></div>}
        {people.isPending ? <Loading what="people" /> : people.data?.items.length === 0 ? <Empty title="Nobody has an account">Who comes by an API key alone is under Keys.</Empty> : (
          <Wide label="Accounts">
            <table className="grid-table">
              <thead><tr><th>Name</th><th>Roles</th><th>State</th><th>Signs in by</th><th className="num">Sessions</th><th>Made</th><th><span className="sr-only">Acts</span></th></tr></thead>
              <tbody>
                {people.data?.items.map((person) => (
                  <tr key={person.id}>
                    <td><span className="font-medium">{person.name}</span>{person.id === me && <span className="text-ink-3"> (you)</span>}<br /><span className="text-sm text-ink-3">{person.username}</span></td>
                    <td>{person.roles.join(", ")}</td>
                    <td>{person.disabled_at !== null ? <Badge tone="idle">disabled</Badge> : person.must_change ? <Badge tone="wait">new password due</Badge> : <Badge tone="done">active</Badge>}</td>
                    <td>{person.provider ?? "password"}{person.password_at !== null && <span className="text-sm text-ink-3"> set <Time at={person.password_at} /></span>}</td>
                    <td className="num">{person.sessions}</td>
                    <td><Time at={person.created_at} /></td>
                    <td className="num whitespace-nowrap">
                      <span className="inline-flex gap-1.5">
                        <button type="button" className="btn" aria-label={`Edit ${person.name}`} onClick={() => setAct({ kind: "edit", person })}>Edit</button>
                        {person.provider === null && <button type="button" className="btn" aria-label={`Set ${person.name}’s password`} onClick={() => setAct({ kind: "password", person })}>Password</button>}
                        {person.disabled_at === null
                          ? <button type="button" className="btn" aria-label={`Disable ${person.name}`} onClick={() => setAct({ kind: "disable", person })}>Disable</button>
                          : <button type="button" className="btn" aria-label={`Enable ${person.name}`} disabled={enable.isPending} onClick={() => enable.mutate(person)}>Enable</button>}
                        <button type="button" className="btn" aria-label={`Delete ${person.name}`} onClick={() => setAct({ kind: "delete", person })}>Delete</button>
                      </span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        )}
      </Panel>
    </Page>
  );
}

interface SureProps { kind: "disable" | "delete"; person: Person; onClose: () => void; onDone: (text: string) => void }

function Sure({ kind, person, onClose, onDone }: SureProps) {
  const params = { path: { user: person.id } };
  const act = useMutation({
    mutationFn: async () => {
      if (kind === "delete") await sent(api.DELETE("/api/v1/users/{user}", { params }));
      else await sent(api.PATCH("/api/v1/users/{user}", { params, body: { disabled: true } }));
    },
    onSuccess: () => onDone(kind === "delete" ? `${person.name}’s account is deleted` : `${person.name} is out`),
  });
  return (
    <Modal title={`${kind === "delete" ? "Delete" : "Disable"} ${person.name}?`} onClose={onClose}>
      <p>{kind === "disable" ? "Their sessions end at once, and they cannot sign in until somebody enables the account."
        : person.provider === null ? "Their sessions end at once and the account is gone. What they did stays in the log, under an id without a name."
          : "Their sessions end at once and the account is gone. While their identity provider lets them in, the next sign-in makes it anew: disable it to keep them out."}</p>
      {act.error !== null && <div className="mt-4"><Fault error={act.error} /></div>}
      <div className="mt-5 flex justify-end gap-2">
        <button type="button" className="btn" onClick={onClose}>Keep it</button>
        <button type="button" className="btn btn-stop" disabled={act.isPending} onClick={() => act.mutate()}>{kind === "delete" ? "Delete" : "Disable"}</button>
      </div>
    </Modal>
  );
}
