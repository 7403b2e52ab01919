import { Link } from "@tanstack/react-router";

import { useKills } from "./kill";

/** On every page while anything is stopped. */
export function KillBanner() {
  const kills = useKills();
  const items = kills.data?.items ?? [];
  const first = items[0];
  if (first === undefined) return null;
  const what = first.scope === "global" ? "Everything" : first.scope === "tenant" ? "This tenant" : `${first.scope} ${first.target}`;
  return (
    <div role="alert" className="flex flex-wrap items-center gap-x-4 gap-y-1 bg-stop px-5 py-2 font-medium text-stop-ink">
      <span>
        {what} is stopped{first.mode === "drain" ? " (draining)" : ""}{items.length > 1 ? `, and ${items.length - 1} more` : ""}.
        {first.reason !== undefined && <span className="ml-1 font-normal">“{first.reason}”</span>}
      </span>
      <Link to="/kill" search={{ switch: first.id }} className="ml-auto text-stop-ink underline">See what stopped, release</Link>
    </div>
  );
}
