/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- whoever asks says which of `rows.ts` it is */
import createClient from "openapi-fetch";

import { session } from "../session/session";
import { ProblemError, problemOf, unreachable } from "./problem";
import type { paths } from "./schema";

/** The gateway's API, typed from its own OpenAPI document. */
export const api = createClient<paths>({ baseUrl: "" });

api.use({
  onRequest({ request }) {
    const token = session.token();
    if (token !== null) request.headers.set("Authorization", `Bearer ${token}`);
    // A request whose answer got lost can be repeated by the browser without being done twice.
    if (request.method === "POST") request.headers.set("Idempotency-Key", onceKey());
    return request;
  },
  onResponse({ response }) {
    if (response.status === 401) session.end("Your sign-in is no longer valid. Sign in again; nothing was changed.");
    return undefined;
  },
  onError() {
    return unreachable();
  },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of an answer. Throws a ProblemError for every refusal. */
export async function sent<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer.catch((cause: unknown) => {
    throw cause instanceof ProblemError ? cause : unreachable();
  });
  if (!response.ok || data === undefined) throw problemOf(error, response.status);
  return data;
}

/** Rows of a list. The document leaves the rows of ledger lists open; `rows.ts` says what they hold. */
export async function page<T>(answer: Promise<Answer<{ items: unknown[]; next?: string | null }>>): Promise<{ items: T[]; next: string | null }> {
  const { items, next } = await sent(answer);
  return { items: items as T[], next: next ?? null };
}

/** One thing whose fields the document leaves open. */
 
export async function item<T>(answer: Promise<Answer<unknown>>): Promise<T> {
  return (await sent(answer)) as T;
}

function onceKey(): string {
  // randomUUID exists in secure contexts only, and a console on a private network may have none.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
