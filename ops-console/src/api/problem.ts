/** What the gateway refuses with (RFC 9457): what happened, and how to mend it. */
export interface ProblemDocument {
  title: string;
  status: number;
  detail: string;
  code: string;
  instance?: string | null;
  errors?: { field: string; detail: string }[] | null;
}

/** A refusal, or a gateway that could not be reached (status 0). */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  constructor(readonly problem: ProblemDocument) {
    super(problem.detail);
  }
}

export function unreachable(): ProblemError {
  return new ProblemError({
    title: "Not reachable",
    status: 0,
    code: "unreachable",
    detail: "The gateway does not answer. Nothing you typed is lost: try again in a moment.",
  });
}

export function problemOf(body: unknown, status: number): ProblemError {
  if (typeof body === "object" && body !== null && "detail" in body && typeof body.detail === "string") {
    return new ProblemError({ title: "Refused", code: "refused", ...(body as Partial<ProblemDocument>), detail: body.detail, status });
  }
  return new ProblemError({ title: "Unexpected answer", status, code: "unexpected", detail: `The gateway answered ${status}. Try again; if it stays so, look at the gateway's log.` });
}

export function told(error: unknown): string {
  return error instanceof Error ? error.message : "Something went wrong.";
}
