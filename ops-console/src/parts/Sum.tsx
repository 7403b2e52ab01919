import type { ReactNode } from "react";

/** One figure with its name, and what it is made of. */
export function Sum({ name, value, note }: { name: string; value: ReactNode; note?: ReactNode }) {
  return (
    <div className="panel px-4 py-3">
      <span className="block text-sm text-ink-2">{name}</span>
      <span className="block truncate text-2xl font-semibold tracking-tight">{value}</span>
      <span className="block min-h-5 text-sm text-ink-3">{note}</span>
    </div>
  );
}

/** A share from 0 to 1 as a bar; what it stands for is said beside it. */
export function Bar({ share, tone = "accent" }: { share: number; tone?: "accent" | "fail" | "wait" | "done" }) {
  return (
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" className="mt-1.5 h-2 w-full min-w-16" aria-hidden="true">
      <rect width="100" height="8" rx="1" fill="var(--line)" />
      <rect width={Math.max(0, Math.min(share, 1)) * 100} height="8" rx="1" fill={`var(--${tone})`} />
    </svg>
  );
}
