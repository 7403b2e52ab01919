export const ROLES = ["admin", "operator", "approver", "author", "viewer"] as const;
export type Role = (typeof ROLES)[number];

const MAY: Record<Role, string> = {
  admin: "everything, people and keys too",
  operator: "sends, cancels and repeats tasks, stops and releases",
  approver: "decides what is held, and stops",
  author: "sends, cancels and repeats tasks",
  viewer: "looks",
};

export function isRole(text: string): text is Role {
  return (ROLES as readonly string[]).includes(text);
}

/** Which roles somebody has. */
export function Roles({ value, onChange }: { value: ReadonlySet<Role>; onChange: (value: ReadonlySet<Role>) => void }) {
  const toggle = (role: Role): void => {
    const next = new Set(value);
    if (!next.delete(role)) next.add(role);
    onChange(next);
  };
  return (
    <fieldset>
      <legend className="label">What may they do?</legend>
      <div className="space-y-1">
        {ROLES.map((role) => (
          <label key={role} className="flex items-center gap-2">
            <input type="checkbox" className="size-4 accent-[var(--accent)]" checked={value.has(role)} onChange={() => toggle(role)} />
            <span className="font-medium">{role}</span><span className="text-ink-3">{MAY[role]}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
