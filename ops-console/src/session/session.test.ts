import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Session, type SignedIn } from "./session";

const GRACE = { id: "u1", username: "grace", name: "Grace H.", roles: ["admin"], tenant: "default", must_change: false };
const ADA = { ...GRACE, id: "u2", username: "ada", name: "Ada L." };
const signedIn = (token: string, seconds = 600): SignedIn => ({ kind: "session", token, until: performance.now() + seconds * 1_000, id: "u1", username: "grace", name: "Grace H.", mustChange: false });

/** The gateway's sign-in paths: what each call of them is answered with, in turn. */
class Gateway {
  readonly asked: string[] = [];
  private readonly answers: (() => Response | Promise<Response>)[] = [];

  will(...answers: (() => Response | Promise<Response>)[]): void {
    this.answers.push(...answers);
  }

  fetch = async (path: string): Promise<Response> => {
    this.asked.push(path);
    const answer = this.answers.shift();
    if (answer === undefined) throw new TypeError("Failed to fetch");
    return answer();
  };
}

const renewed = (token: string, user = GRACE) => () => Response.json({ access_token: token, token_type: "Bearer", expires_in: 600, user });
const refused = (status: number, code: string) => () => Response.json({ title: "Refused", status, code, detail: `refused: ${code}` }, { status });
const REFRESH = "/api/v1/auth/refresh";

let gateway: Gateway;
let tabs: BroadcastChannel[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  gateway = new Gateway();
  tabs = [];
  vi.stubGlobal("fetch", gateway.fetch);
});
afterEach(() => {
  for (const each of tabs) each.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function opened(): Session {
  const tab = new BroadcastChannel("agentos-session");
  tabs.push(tab);
  return new Session(tab);
}

test("a page that is opened knows by the cookie who is there", async () => {
  gateway.will(renewed("t1"));
  const session = opened();
  await session.start(true);
  expect([session.state.phase, session.state.signedIn?.name, await session.fresh()]).toEqual(["in", "Grace H.", "t1"]);
});

test("a page that is opened in a browser without a session's cookie asks for no token", async () => {
  const session = opened();
  await session.start(false);
  expect([session.state.phase, gateway.asked]).toEqual(["out", []]);
});

test("a page that is opened with a cookie that is over asks for a sign-in, without a word of blame", async () => {
  gateway.will(refused(401, "session_missing"));
  const session = opened();
  await session.start(true);
  expect(session.state).toEqual({ phase: "out", signedIn: null, notice: null });
});

test("a page that is opened while the gateway is away tries until it answers, and asks nobody to sign in", async () => {
  const session = opened();
  await session.start(true);
  expect([session.state.phase, session.state.notice]).toEqual(["starting", "The gateway does not answer. Trying again…"]);
  gateway.will(refused(503, "unavailable"), renewed("t1"));
  await vi.advanceTimersByTimeAsync(3_000);
  expect(session.state.phase).toBe("starting");
  await vi.advanceTimersByTimeAsync(3_000);
  expect(session.state.phase).toBe("in");
});

test("a token is exchanged a minute before it ends, again and again", async () => {
  const session = opened();
  session.enter(signedIn("t1"));
  gateway.will(renewed("t2"), renewed("t3"));
  await vi.advanceTimersByTimeAsync(539_000);
  expect(gateway.asked).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([gateway.asked, await session.fresh()]).toEqual([[REFRESH], "t2"]);
  await vi.advanceTimersByTimeAsync(540_000);
  expect(await session.fresh()).toBe("t3");
});

test("whoever asks for a renewal meanwhile gets the one that is under way", async () => {
  const session = opened();
  session.enter(signedIn("t1"));
  gateway.will(renewed("t2"));
  expect(await Promise.all([session.renew(), session.renew(), session.renew()])).toEqual([true, true, true]);
  expect(gateway.asked).toEqual([REFRESH]);
});

test("tabs exchange the cookie one after the other", async () => {
  let line: Promise<unknown> = Promise.resolve();
  const names: string[] = [];
  const locks = {
    request: (name: string, work: () => Promise<unknown>) => {
      names.push(name);
      return (line = line.then(work));
    },
  };
  vi.stubGlobal("navigator", { locks });
  let busy = 0;
  const alone = (token: string) => async (): Promise<Response> => {
    busy += 1;
    expect(busy).toBe(1);
    await Promise.resolve();
    busy -= 1;
    return renewed(token)();
  };
  gateway.will(alone("t2"), alone("t3"));
  const [one, other] = [opened(), opened()];
  one.enter(signedIn("t1"));
  other.enter(signedIn("t1"));
  await Promise.all([one.renew(), other.renew()]);
  expect(names).toEqual(["agentos-refresh", "agentos-refresh"]);
});

test("a computer that slept renews when the token is needed", async () => {
  const session = opened();
  session.enter({ ...signedIn("t1"), until: performance.now() + 4_000 });
  gateway.will(renewed("t2"));
  expect(await session.fresh()).toBe("t2");
});

test("a renewal that finds nobody there is tried again, and the token that holds still is used", async () => {
  const session = opened();
  session.enter(signedIn("t1"));
  expect(await session.renew()).toBe(false);
  expect([session.state.phase, await session.fresh()]).toEqual(["in", "t1"]);
  gateway.will(renewed("t2"));
  await vi.advanceTimersByTimeAsync(3_000);
  expect(await session.fresh()).toBe("t2");
});

test("a session that is over keeps who it was, asks no more, and goes on with the same person", async () => {
  const session = opened();
  session.enter(signedIn("t1"));
  gateway.will(refused(401, "session_over"));
  expect(await session.renew()).toBe(false);
  expect([session.state.phase, session.state.signedIn?.username]).toEqual(["lapsed", "grace"]);
  expect([await session.fresh(), await session.renew(), gateway.asked.length]).toEqual([null, false, 1]);
  const back = session.returned();
  session.enter(signedIn("t2"));
  expect([await back, await session.fresh()]).toEqual([true, "t2"]);
});

test("what one person left waiting is not done for another, whose view holds nothing of theirs", async () => {
  const session = opened();
  let others = 0;
  session.onOther(() => (others += 1));
  session.enter(signedIn("t1"));
  gateway.will(refused(401, "session_over"));
  await session.renew();
  const back = session.returned();
  session.enter({ ...signedIn("t2"), id: ADA.id, username: ADA.username });
  expect([await back, others]).toEqual([false, 1]);
});

test("leaving while a renewal is under way stays left", async () => {
  const session = opened();
  session.enter(signedIn("t1"));
  let answer = (): void => undefined;
  gateway.will(() => new Promise((resolve) => (answer = () => resolve(renewed("t2")()))), () => Response.json({ signed_out: true }));
  const renewing = session.renew();
  await vi.advanceTimersByTimeAsync(0);
  await session.end();
  answer();
  expect([await renewing, session.state.phase]).toEqual([false, "out"]);
});

test("a key that is refused lapses at once: no cookie stands behind it", async () => {
  const session = opened();
  session.enter({ ...signedIn("ak"), kind: "key", until: null, username: null });
  expect([await session.renew(), session.state.phase, gateway.asked]).toEqual([false, "lapsed", []]);
});

test("a sign-in in one tab takes the others along that wait for one", async () => {
  const [here, waiting] = [opened(), opened()];
  waiting.enter(signedIn("t1"));
  gateway.will(refused(401, "session_over"), renewed("t3"));
  await waiting.renew();
  const back = waiting.returned();
  here.enter(signedIn("t2"));
  expect([await back, waiting.state.signedIn?.token]).toEqual([true, "t3"]);
});
