import { session } from "../session/session";
import type { Heard, LiveEvent, Transport } from "./feed";

/** Silence of this long means a dead connection: the gateway pings every 15 s. */
const SILENT_MS = 30_000;
/** Where the computer says that it has no network: this gateway may be reached still, and tells its figures every second. */
const OFFLINE_MS = 3_000;
const WHO = 4401;
const FULL = 4429;
const GONE = 1006;

type Wire =
  | { type: "welcome"; position: number }
  | { type: "event"; position: number; event: string; subject: string; time: string; correlation_id: string | null; data: unknown }
  | { type: "gap"; position: number }
  | { type: "metrics.update"; position: number; live: boolean; figures: Record<string, unknown> | null }
  | { type: "ping" };

/** `/api/v1/ws`: the token goes in the first frame, and a new one before it ends. */
export const socket: Transport = {
  async open(after, signal, on) {
    const token = await session.fresh();
    if (token === null) throw new Error("nobody is signed in");
    if (signal.aborted) return;
    const ws = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/ws`);
    const say = (frame: object): void => {
      if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify(frame));
    };
    let told = token;
    const stopTokens = session.subscribe(() => {
      const now = session.state.phase === "in" ? session.state.signedIn?.token : undefined;
      if (now === undefined || now === told) return;
      told = now;
      say({ type: "token", token: now });
    });
    let silence: ReturnType<typeof setTimeout> | undefined;
    // A close frame that is never answered would keep a dead connection open for long: it is given up here.
    let giveUp: (why: string) => void = () => undefined;
    const expect = (ms: number): void => {
      clearTimeout(silence);
      silence = setTimeout(() => giveUp("nothing is heard any more"), ms);
    };
    const heard = (): void => {
      expect(navigator.onLine ? SILENT_MS : OFFLINE_MS);
      on.alive();
    };
    const offline = (): void => expect(OFFLINE_MS);
    addEventListener("offline", offline);
    const leave = (): void => giveUp("left");
    signal.addEventListener("abort", leave, { once: true });
    try {
      const end = await new Promise<Pick<CloseEvent, "code" | "reason">>((resolve) => {
        giveUp = (reason) => resolve({ code: GONE, reason });
        expect(SILENT_MS);
        ws.onopen = () => say({ type: "hello", token, since: after, topics: ["*"] });
        ws.onclose = resolve;
        ws.onmessage = (message) => {
          heard();
          const wire = JSON.parse(String(message.data)) as Wire;
          if (wire.type === "ping") say({ type: "pong" });
          else hear(wire, on);
        };
      });
      if (end.code === WHO) await session.renew();
      throw new Error(end.code === FULL ? "the gateway says this page is too slow" : end.reason || `closed with ${end.code}`);
    } finally {
      clearTimeout(silence);
      stopTokens();
      removeEventListener("offline", offline);
      signal.removeEventListener("abort", leave);
      ws.onmessage = null;
      ws.close();
    }
  },
};

function hear(wire: Exclude<Wire, { type: "ping" }>, on: Heard): void {
  switch (wire.type) {
    case "welcome":
      { on.opened(wire.position); return; }
    case "gap":
      { on.gap(wire.position); return; }
    case "metrics.update":
      { on.figures(wire.live ? wire.figures : null); return; }
    case "event":
      { on.event({ position: wire.position, name: wire.event, subject: wire.subject, time: wire.time, task: wire.correlation_id, data: wire.data } satisfies LiveEvent); return; }
  }
}
