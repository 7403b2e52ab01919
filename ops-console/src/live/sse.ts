import { session } from "../session/session";
import type { LiveEvent, Transport } from "./feed";

/** Silence of this long means a dead connection: the gateway gives a sign of life every ten seconds. */
const SILENT_MS = 30_000;

/** `/api/v1/events/stream`, read with fetch: EventSource cannot send who asks. */
export const sse: Transport = {
  async open(after, signal, on) {
    const silent = new AbortController();
    const query = after === null ? "" : `?after=${after}`;
    const answer = await fetch(`/api/v1/events/stream${query}`, {
      headers: { Authorization: `Bearer ${session.token() ?? ""}`, Accept: "text/event-stream" },
      signal: AbortSignal.any([signal, silent.signal]),
    });
    if (answer.status === 401) session.end("Your sign-in is no longer valid. Sign in again; nothing was changed.");
    if (!answer.ok || answer.body === null) throw new Error(`the live feed answered ${answer.status}`);
    on.opened();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      for (;;) {
        timer = setTimeout(() => silent.abort(), SILENT_MS);
        const { value, done } = await reader.read();
        clearTimeout(timer);
        if (done) return;
        text += value;
        const messages = text.split("\n\n");
        text = messages.pop() ?? "";
        for (const message of messages) {
          const event = parsed(message);
          if (event !== null) on.event(event);
        }
      }
    } finally {
      clearTimeout(timer);
      await reader.cancel().catch(() => undefined);
    }
  },
};

interface Wire { seq: number; type: string; subject: string; time?: string; correlation_id?: string | null; data?: unknown }

/** One message of the stream, or null for a comment. */
export function parsed(message: string): LiveEvent | null {
  const data = message.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
  if (data === "") return null;
  const wire = JSON.parse(data) as Wire;
  return { position: wire.seq, name: wire.type, subject: wire.subject, time: wire.time ?? "", task: wire.correlation_id ?? null, data: wire.data ?? null };
}
