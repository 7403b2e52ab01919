import { Link, useRouterState } from "@tanstack/react-router";

import { useMay } from "../../session/may";

const SECTIONS = [
  { to: "/settings", name: "Keys", needs: null },
  { to: "/settings/webhooks", name: "Webhook sources", needs: "keys.manage" },
  { to: "/settings/notifications", name: "Notifications", needs: "keys.manage" },
  { to: "/settings/people", name: "People", needs: "users.manage" },
  { to: "/settings/sessions", name: "Sessions", needs: null },
] as const;

/** The settings' pages, above each of them. */
export function Sections() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const may = { "users.manage": useMay("users.manage"), "keys.manage": useMay("keys.manage") };
  return (
    <nav aria-label="Settings" className="mb-4 flex flex-wrap gap-1 border-b border-line">
      {SECTIONS.filter(({ needs }) => needs === null || may[needs]).map(({ to, name }) => (
        <Link key={to} to={to} activeOptions={{ exact: true }} aria-current={path === to ? "page" : undefined}
          className={`-mb-px border-b-2 px-3 py-2 font-medium no-underline ${path === to ? "border-accent text-accent" : "border-transparent text-ink-2 hover:text-ink"}`}>{name}</Link>
      ))}
    </nav>
  );
}
