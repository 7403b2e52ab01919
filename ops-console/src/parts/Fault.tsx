import { ProblemError, told } from "../api/problem";

/** A refusal as a person reads it: what happened and how to mend it. */
export function Fault({ error, onRetry }: { error: unknown; onRetry?: () => unknown }) {
  const problem = error instanceof ProblemError ? error.problem : null;
  return (
    <div role="alert" className="rounded-lg border border-[var(--fail)] bg-[var(--fail-soft)] px-3 py-2 text-fail">
      <p className="font-medium">{told(error)}</p>
      {problem?.errors?.map((each) => <p key={each.field} className="mt-1"><code className="font-mono">{each.field}</code>: {each.detail}</p>)}
      {onRetry !== undefined && <button type="button" className="btn mt-2" onClick={() => void onRetry()}>Try again</button>}
      {problem?.instance != null && <p className="mt-1 text-sm opacity-90">For support: {problem.instance}</p>}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return <p className="p-6 text-ink-3" role="status">Loading {what}…</p>;
}

export function Empty({ title, children }: { title: string; children?: React.ReactNode }) {
  return (
    <div className="px-6 py-14 text-center">
      <p className="text-base font-semibold">{title}</p>
      {children !== undefined && <p className="mx-auto mt-1 max-w-prose text-ink-2">{children}</p>}
    </div>
  );
}
