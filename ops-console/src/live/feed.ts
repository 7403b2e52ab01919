/** The live feed: one connection a page, resumed from the last position it saw, so that nothing is missed and nothing comes twice. */

export interface LiveEvent {
  position: number;
  name: string;
  subject: string;
  time: string;
  task: string | null;
  data: unknown;
}

export type Connection = "connecting" | "live" | "lost";

/** How events reach the page. `open` ends when the connection does, and throws when it cannot be made. */
export interface Transport {
  open(after: number | null, signal: AbortSignal, on: { opened: () => void; event: (event: LiveEvent) => void }): Promise<void>;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export class Feed {
  connection: Connection = "connecting";
  position: number | null = null;
  private readonly connectionListeners = new Set<() => void>();
  private readonly eventListeners = new Set<(event: LiveEvent) => void>();
  private readonly catchUpListeners = new Set<() => void>();
  private ending: AbortController | null = null;

  constructor(private readonly transport: Transport) {}

  start(): () => void {
    const ending = new AbortController();
    this.ending = ending;
    void this.follow(ending.signal);
    return () => ending.abort();
  }

  stop(): void {
    this.ending?.abort();
  }

  onConnection = (listener: () => void): (() => void) => {
    this.connectionListeners.add(listener);
    return () => this.connectionListeners.delete(listener);
  };
  onEvent(listener: (event: LiveEvent) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }
  /** Called when the connection stands for the first time: what was read before may be older than where the feed begins. */
  onCatchUp(listener: () => void): () => void {
    this.catchUpListeners.add(listener);
    return () => this.catchUpListeners.delete(listener);
  }

  private async follow(signal: AbortSignal): Promise<void> {
    let wait = FIRST_WAIT_MS;
    const ended = (): boolean => signal.aborted;
    while (!ended()) {
      const resumed = this.position !== null;
      try {
        await this.transport.open(this.position, signal, {
          opened: () => {
            wait = FIRST_WAIT_MS;
            this.become("live");
            if (!resumed) for (const listener of this.catchUpListeners) listener();
          },
          event: (event) => this.take(event),
        });
      } catch (cause) {
        if (!ended()) console.info("live feed lost", cause);
      }
      if (ended()) return;
      this.become("lost");
      await pause(wait * (0.75 + Math.random() / 2), signal);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  private take(event: LiveEvent): void {
    if (this.position !== null && event.position <= this.position) return;
    this.position = event.position;
    for (const listener of this.eventListeners) listener(event);
  }

  private become(connection: Connection): void {
    if (connection === this.connection) return;
    this.connection = connection;
    for (const listener of this.connectionListeners) listener();
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
