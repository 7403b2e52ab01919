import type { Page } from "@playwright/test";

/** Have the page's live socket within reach, so that frames like the gateway's can be given to its own handler. Before the page is opened. */
export async function tap(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const Real = WebSocket;
    class Tapped extends Real {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        if (!String(url).endsWith("/api/v1/ws")) return;
        Object.assign(window, { tapped: this });
        this.addEventListener("message", ({ data }) => {
          const { position } = JSON.parse(String(data)) as { position?: number };
          last = Math.max(last, position ?? 0);
        });
      }
    }
    const names = ["task.submitted", "task.queued", "task.started", "call.requested", "call.decided", "call.settled", "tool.settled", "approval.requested", "task.ended", "task.settled"];
    let last = 0;
    let told = 0;
    /** One event more, of a task that nobody has heard of, between the last real one and the next: what is read meanwhile is not waited for. */
    const flood = (): void => {
      const name = names[told % names.length] ?? "";
      const id = `0192${String(told++).padStart(28, "0")}`;
      const frame = { type: "event", position: last + told / 1e8, event: name, subject: `evt.default.${name.split(".")[0]}.${id}.${name.split(".")[1]}`, time: new Date().toISOString(), correlation_id: id, data: { verdict: "allow", rules: ["tasks.allow"], context: { task: id, pack: "engineering", agent: "triager" } } };
      const { tapped } = window as unknown as { tapped: WebSocket };
      tapped.onmessage?.(new MessageEvent("message", { data: JSON.stringify(frame) }));
    };
    Object.assign(window, { WebSocket: Tapped, flood });
  });
}
