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

/** What a transport tells. A gap says that too much was missed to be told: what is shown is to be read again. */
export interface Heard {
  opened: (position: number) => void;
  event: (event: LiveEvent) => void;
  gap: (position: number) => void;
  /** The system's figures, once a second; null while they are not known. */
  figures: (figures: Record<string, unknown> | null) => void;
  /** Anything came, if only a sign of life. */
  alive: () => void;
}

/** How events reach the page. `open` ends when the connection does, and throws when it cannot be made or is lost. */
export interface Transport {
  open(after: number | null, signal: AbortSignal, on: Heard): Promise<void>;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** The mark that an event leaves when it arrives. */
export const ARRIVED = "agentos:event";

export class Feed {
  connection: Connection = "connecting";
  /** When something was heard last, as `performance.now()` says: what is shown is as old. */
  heardAt = performance.now();
  position: number | null = null;
  figures: Record<string, unknown> | null = null;
  private readonly connectionListeners = new Set<() => void>();
  private readonly eventListeners = new Set<(event: LiveEvent) => void>();
  private readonly catchUpListeners = new Set<() => void>();
  private readonly figureListeners = new Set<() => void>();
  private waiting: (() => void) | null = null;

  constructor(private readonly transport: Transport) {}

  start(): () => void {
    const ending = new AbortController();
    this.position = null;
    this.become("connecting");
    void this.follow(ending.signal);
    return () => ending.abort();
  }

  /** Where the connection is lost, try now. */
  retry(): void {
    this.waiting?.();
  }

  onConnection = (listener: () => void): (() => void) => {
    this.connectionListeners.add(listener);
    return () => this.connectionListeners.delete(listener);
  };
  onEvent(listener: (event: LiveEvent) => void): () => void {
    this.eventListeners.add(listener);
    return () => this.eventListeners.delete(listener);
  }
  /** Called when what was read before may be older than where the feed begins: it stands for the first time, or too much was missed. */
  onCatchUp(listener: () => void): () => void {
    this.catchUpListeners.add(listener);
    return () => this.catchUpListeners.delete(listener);
  }
  onFigures = (listener: () => void): (() => void) => {
    this.figureListeners.add(listener);
    return () => this.figureListeners.delete(listener);
  };

  private async follow(signal: AbortSignal): Promise<void> {
    let wait = FIRST_WAIT_MS;
    const ended = (): boolean => signal.aborted;
    while (!ended()) {
      const resumed = this.position !== null;
      try {
        await this.transport.open(this.position, signal, {
          opened: (position) => {
            wait = FIRST_WAIT_MS;
            this.position ??= position;
            this.become("live");
            if (!resumed) this.catchUp();
          },
          event: (event) => this.take(event),
          gap: (position) => {
            // It may be lower than ours: an installation whose data were put back begins where they end.
            this.position = position;
            this.catchUp();
          },
          figures: (figures) => {
            this.figures = figures;
            for (const listener of this.figureListeners) listener();
          },
          alive: () => {
            this.heardAt = performance.now();
          },
        });
      } catch (cause) {
        if (!ended()) console.info("live feed lost", cause);
      }
      if (ended()) return;
      this.become("lost");
      await this.pause(wait * (0.75 + Math.random() / 2), signal);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  private take(event: LiveEvent): void {
    if (this.position !== null && event.position <= this.position) return;
    this.position = event.position;
    // For whoever measures in the browser, with a PerformanceObserver; a page that is open for days keeps none of it.
    performance.mark(ARRIVED, { detail: { position: event.position, name: event.name, subject: event.subject, stored: event.time } });
    performance.clearMarks(ARRIVED);
    for (const listener of this.eventListeners) listener(event);
  }

  private catchUp(): void {
    for (const listener of this.catchUpListeners) listener();
  }

  private become(connection: Connection): void {
    if (connection === this.connection) return;
    this.connection = connection;
    for (const listener of this.connectionListeners) listener();
  }

  private pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", go);
        this.waiting = null;
        resolve();
      };
      const timer = setTimeout(go, ms);
      signal.addEventListener("abort", go);
      this.waiting = go;
    });
  }
}
