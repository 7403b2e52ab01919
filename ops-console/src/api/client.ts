/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- whoever asks says which of `rows.ts` it is */
import createClient from "openapi-fetch";

import { readOlder, toldUpTo } from "../live/told";
import { session } from "../session/session";
import { ProblemError, problemOf, unreachable } from "./problem";
import type { paths } from "./schema";

/** The gateway's API, typed from its own OpenAPI document. */
export const api = createClient<paths>({ baseUrl: "" });

// A body can be sent once: what is to be sent again with a new token is kept aside.
const spares = new WeakMap<Request, Request>();

api.use({
  async onRequest({ request }) {
    const token = await session.fresh();
    if (token !== null) request.headers.set("Authorization", `Bearer ${token}`);
    // A request whose answer got lost can be repeated by the browser without being done twice.
    if (request.method === "GET" && toldUpTo() > 0) request.headers.set("Agentos-Position", String(toldUpTo()));
    if (request.method === "POST") request.headers.set("Idempotency-Key", onceKey());
    spares.set(request, request.clone());
    return request;
  },
  async onResponse({ request, response }) {
    if (response.headers.has("Agentos-Behind")) readOlder();
    if (response.status !== 401) return undefined;
    const spare = spares.get(request);
    // Where the sign-in is over, what was to be done is done once the same person is back.
    if (spare === undefined || !((await session.renew()) || (await session.returned()))) return undefined;
    spare.headers.set("Authorization", `Bearer ${(await session.fresh()) ?? ""}`);
    return fetch(spare);
  },
  onError() {
    return unreachable();
  },
});

/** A file of the API's, as the browser saves it. */
export async function download(path: string): Promise<Blob> {
  const token = await session.fresh();
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token ?? ""}` } }).catch(() => {
    throw unreachable();
  });
  if (!answer.ok) throw problemOf(await answer.json().catch(() => null), answer.status);
  return answer.blob();
}

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
export async function page<T>(answer: Promise<Answer<{ items: unknown[]; next_cursor?: string | null }>>): Promise<{ items: T[]; next_cursor: string | null }> {
  const { items, next_cursor } = await sent(answer);
  return { items: items as T[], next_cursor: next_cursor ?? null };
}

/** One thing whose fields the document leaves open. */
 
export async function item<T>(answer: Promise<Answer<unknown>>): Promise<T> {
  return (await sent(answer)) as T;
}

function onceKey(): string {
  // randomUUID exists in secure contexts only, and a console on a private network may have none.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
