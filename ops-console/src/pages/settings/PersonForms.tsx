import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useId, useState } from "react";

import { api, sent } from "../../api/client";
import { Fault } from "../../parts/Fault";
import { Modal } from "../../parts/Modal";
import type { Person } from "./People";
import { isRole, type Role, Roles } from "./Roles";

interface Form { onClose: () => void; onDone: (text: string) => void }

/** An account for somebody. */
export function NewPerson({ onClose, onDone }: Form) {
  const [name, setName] = useState("");
  const [username, setUsername] = useState("");
  const [roles, setRoles] = useState<ReadonlySet<Role>>(new Set(["viewer"]));
  const [password, setPassword] = useState("");
  const [theirs, setTheirs] = useState(true);
  const make = useMutation({
    mutationFn: () => sent(api.POST("/api/v1/users", { body: { name: name.trim(), username: username.trim(), roles: [...roles], password, must_change: theirs } })),
    onSuccess: (person) => onDone(`${person.name} may sign in as ${person.username}`),
  });
  return (
    <Dialog title="New person" act="Make the account" busy={make.isPending} error={make.error} ready={roles.size > 0} onClose={onClose} onSubmit={() => make.mutate()}>
      <Text label="Name" value={name} onChange={setName} longest={100} />
      <Text label="Username" value={username} onChange={setUsername} longest={200} />
      <Roles value={roles} onChange={setRoles} />
      <Password value={password} onChange={setPassword} theirs={theirs} onTheirs={setTheirs} />
    </Dialog>
  );
}

/** Another name, other roles. */
export function EditPerson({ person, onClose, onDone }: Form & { person: Person }) {
  const [name, setName] = useState(person.name);
  const [roles, setRoles] = useState<ReadonlySet<Role>>(new Set(person.roles.filter(isRole)));
  const change = useMutation({
    mutationFn: () => sent(api.PATCH("/api/v1/users/{user}", { params: { path: { user: person.id } }, body: { name: name.trim(), roles: [...roles] } })),
    onSuccess: (now) => onDone(`${now.name} is now ${now.roles.join(", ")}`),
  });
  return (
    <Dialog title={`Edit ${person.name}`} act="Save" busy={change.isPending} error={change.error} ready={roles.size > 0} onClose={onClose} onSubmit={() => change.mutate()}>
      <Text label="Name" value={name} onChange={setName} longest={100} />
      <Roles value={roles} onChange={setRoles} />
      <p className="text-sm text-ink-3">It holds at once, for what is open too.{person.provider !== null && " At the next sign-in the identity provider’s word holds again."}</p>
    </Dialog>
  );
}

/** A new password for somebody who has lost theirs. */
export function GivePassword({ person, onClose, onDone }: Form & { person: Person }) {
  const [password, setPassword] = useState("");
  const [theirs, setTheirs] = useState(true);
  const set = useMutation({
    mutationFn: () => sent(api.POST("/api/v1/users/{user}/password", { params: { path: { user: person.id } }, body: { password, must_change: theirs } })),
    onSuccess: () => onDone(`${person.name} has a new password`),
  });
  return (
    <Dialog title={`A new password for ${person.name}`} act="Set it" busy={set.isPending} error={set.error} ready onClose={onClose} onSubmit={() => set.mutate()}>
      <Password value={password} onChange={setPassword} theirs={theirs} onTheirs={setTheirs} />
      <p className="text-sm text-ink-3">All their sessions end, and a lock after wrong passwords too.</p>
    </Dialog>
  );
}

interface DialogProps { title: string; act: string; busy: boolean; ready: boolean; error: Error | null; onClose: () => void; onSubmit: () => void; children: ReactNode }

function Dialog({ title, act, busy, ready, error, onClose, onSubmit, children }: DialogProps) {
  return (
    <Modal title={title} onClose={onClose}>
      <form className="space-y-4" onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}>
        {children}
        {error !== null && <Fault error={error} />}
        <div className="flex justify-end gap-2"><button type="button" className="btn" onClick={onClose}>Cancel</button><button type="submit" className="btn btn-primary" disabled={busy || !ready}>{act}</button></div>
      </form>
    </Modal>
  );
}

function Text({ label, value, onChange, longest }: { label: string; value: string; onChange: (value: string) => void; longest: number }) {
  const id = useId();
  return <div><label className="label" htmlFor={id}>{label}</label><input id={id} className="field" required maxLength={longest} autoComplete="off" spellCheck={false} value={value} onChange={(event) => onChange(event.target.value)} /></div>;
}

interface PasswordProps { value: string; onChange: (value: string) => void; theirs: boolean; onTheirs: (theirs: boolean) => void }

function Password({ value, onChange, theirs, onTheirs }: PasswordProps) {
  const id = useId();
  return (
    <div className="space-y-2">
      <label className="label" htmlFor={id}>Password</label>
      {/* Shown: it is told to somebody, and is theirs to change. */}
      <input id={id} className="field font-mono" required minLength={12} maxLength={1_000} autoComplete="off" spellCheck={false} value={value} onChange={(event) => onChange(event.target.value)} aria-describedby={`${id}-help`} />
      <p id={`${id}-help`} className="text-sm text-ink-3">12 characters or more. Tell it to them in person.</p>
      <label className="flex items-center gap-2"><input type="checkbox" className="size-4 accent-[var(--accent)]" checked={theirs} onChange={(event) => onTheirs(event.target.checked)} />They choose their own when they sign in</label>
    </div>
  );
}
