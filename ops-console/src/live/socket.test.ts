import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { session, type SignedIn } from "../session/session";
import type { Heard } from "./feed";
import { socket } from "./socket";

/** The browser's WebSocket, with the test at the other end. */
class Socket {
  static readonly OPEN = 1;
  static made: Socket[] = [];
  readyState = 0;
  readonly sent: unknown[] = [];
  onopen: () => void = () => undefined;
  onclose: (end: { code: number; reason: string }) => void = () => undefined;
  onmessage: ((message: { data: string }) => void) | null = null;

  constructor(readonly url: string) {
    Socket.made.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
  }

  accept(): void {
    this.readyState = Socket.OPEN;
    this.onopen();
  }
  tell(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

const signedIn = (token: string): SignedIn => ({ kind: "session", token, until: performance.now() + 600_000, id: "u1", username: "grace", name: "Grace H.", mustChange: false });

let heard: unknown[];
let online: boolean;
const on: Heard = {
  opened: (position) => heard.push(["opened", position]),
  event: (event) => heard.push(["event", event]),
  gap: (position) => heard.push(["gap", position]),
  figures: (figures) => heard.push(["figures", figures]),
  alive: () => undefined,
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  vi.stubGlobal("WebSocket", Socket);
  vi.spyOn(navigator, "onLine", "get").mockImplementation(() => online);
  online = true;
  heard = [];
  Socket.made = [];
  session.enter(signedIn("t1"));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** The page's end of an opened socket, and what became of it. */
async function opened(after: number | null = null): Promise<{ ws: Socket; end: Promise<string>; leave: () => void }> {
  const leaving = new AbortController();
  const end = socket.open(after, leaving.signal, on).then(() => "ended", (cause: unknown) => (cause as Error).message);
  await vi.advanceTimersByTimeAsync(0);
  const ws = Socket.made.at(-1);
  if (ws === undefined) throw new Error("no socket was made");
  ws.accept();
  return { ws, end, leave: () => leaving.abort() };
}

test("the first frame says who and from where on; no token is in the address", async () => {
  const { ws } = await opened(41);
  expect(ws.sent).toEqual([{ type: "hello", token: "t1", since: 41, topics: ["*"] }]);
  expect(ws.url).toMatch(/^ws:\/\/[^?]*\/api\/v1\/ws$/);
});

test("each frame is what the feed hears, and a ping is answered", async () => {
  const { ws } = await opened();
  ws.tell({ type: "welcome", position: 7 });
  ws.tell({ type: "event", position: 8, name: "task.call.settled", event: "call.settled", subject: "evt.t.call.c.settled", time: "T", correlation_id: "k", data: { a: 1 } });
  ws.tell({ type: "gap", position: 9 });
  ws.tell({ type: "metrics.update", position: 9, live: true, figures: { running: 3 } });
  ws.tell({ type: "metrics.update", position: 9, live: false, figures: { running: 3 } });
  ws.tell({ type: "ping" });
  expect(heard).toEqual([
    ["opened", 7], ["event", { position: 8, name: "call.settled", subject: "evt.t.call.c.settled", time: "T", task: "k", data: { a: 1 } }],
    ["gap", 9], ["figures", { running: 3 }], ["figures", null],
  ]);
  expect(ws.sent.at(-1)).toEqual({ type: "pong" });
});

test("a renewed token is told to the open socket, once", async () => {
  const { ws } = await opened();
  session.enter(signedIn("t2"));
  session.enter(signedIn("t2"));
  expect(ws.sent.slice(1)).toEqual([{ type: "token", token: "t2" }]);
});

test("half a minute of silence is a lost connection, whatever the socket believes", async () => {
  const { ws, end } = await opened();
  await vi.advanceTimersByTimeAsync(29_000);
  ws.tell({ type: "ping" });
  await vi.advanceTimersByTimeAsync(29_000);
  expect(ws.readyState).toBe(Socket.OPEN);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await end).toBe("nothing is heard any more");
  expect(ws.readyState).toBe(3);
});

test("without a network three silent seconds are enough; a gateway on this machine that goes on talking is believed", async () => {
  const { ws, end } = await opened();
  online = false;
  dispatchEvent(new Event("offline"));
  for (let second = 0; second < 10; second++) {
    await vi.advanceTimersByTimeAsync(1_000);
    ws.tell({ type: "metrics.update", position: 1, live: true, figures: {} });
  }
  expect(ws.readyState).toBe(Socket.OPEN);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(await end).toBe("nothing is heard any more");
});

test("what comes late over a socket that was given up is not heard", async () => {
  const { ws, end } = await opened();
  await vi.advanceTimersByTimeAsync(30_000);
  await end;
  ws.tell({ type: "welcome", position: 7 });
  expect(heard).toEqual([]);
});

test("a token that is over is renewed before the next try; another end says its reason", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return Promise.resolve(Response.json({ access_token: "t2", token_type: "Bearer", expires_in: 600, user: { id: "u1", username: "grace", name: "Grace H.", roles: [], tenant: "default", must_change: false } }));
  });
  const first = await opened();
  first.ws.onclose({ code: 4401, reason: "token_expired" });
  expect(await first.end).toBe("token_expired");
  expect([asked, session.state.signedIn?.token]).toEqual([["/api/v1/auth/refresh"], "t2"]);
  const second = await opened();
  second.ws.onclose({ code: 4429, reason: "" });
  expect(await second.end).toBe("the gateway says this page is too slow");
  const third = await opened();
  third.ws.onclose({ code: 1012, reason: "the gateway restarts: connect again" });
  expect([await third.end, asked.length]).toEqual(["the gateway restarts: connect again", 1]);
});

test("who leaves closes the socket", async () => {
  const { ws, end, leave } = await opened();
  leave();
  await end;
  expect(ws.readyState).toBe(3);
});
