import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, Outlet, redirect } from "@tanstack/react-router";

import type { TaskSearch } from "./pages/Tasks";
import { Shell } from "./shell/Shell";

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value.slice(0, 200) : undefined);
const given = <T extends object>(values: T): T => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });
const app = createRoute({ getParentRoute: () => root, id: "app", component: Shell });

const overview = createRoute({ getParentRoute: () => app, path: "/", component: lazyRouteComponent(() => import("./pages/Overview"), "Overview") });
const approvals = createRoute({ getParentRoute: () => app, path: "/approvals", component: lazyRouteComponent(() => import("./pages/approvals/Inbox"), "Inbox") });
const tasks = createRoute({
  getParentRoute: () => app, path: "/tasks", component: lazyRouteComponent(() => import("./pages/Tasks"), "Tasks"),
  validateSearch: (raw: Record<string, unknown>): TaskSearch => given({ q: text(raw["q"]), state: text(raw["state"]), outcome: text(raw["outcome"]), pack: text(raw["pack"]), type: text(raw["type"]), agent: text(raw["agent"]), requester: text(raw["requester"]), sort: text(raw["sort"]), order: text(raw["order"]) }) as TaskSearch,
});
const task = createRoute({ getParentRoute: () => app, path: "/tasks/$task", component: lazyRouteComponent(() => import("./pages/task/TaskPage"), "TaskPage") });
const kill = createRoute({
  getParentRoute: () => app, path: "/kill", component: lazyRouteComponent(() => import("./pages/Kill"), "Kill"),
  validateSearch: (raw: Record<string, unknown>): { switch?: string } => given({ switch: text(raw["switch"]) }) as { switch?: string },
});
const audit = createRoute({ getParentRoute: () => app, path: "/audit", component: lazyRouteComponent(() => import("./pages/Audit"), "Audit") });
const tabbed = (raw: Record<string, unknown>): { tab?: string } => given({ tab: text(raw["tab"]) }) as { tab?: string };
const cost = createRoute({ getParentRoute: () => app, path: "/cost", component: lazyRouteComponent(() => import("./pages/cost/Cost"), "Cost") });
const models = createRoute({
  getParentRoute: () => app, path: "/models", component: lazyRouteComponent(() => import("./pages/models/Models"), "Models"),
  validateSearch: (raw: Record<string, unknown>): { tab?: string; call?: string } => given({ tab: text(raw["tab"]), call: text(raw["call"]) }) as { tab?: string; call?: string },
});
const policy = createRoute({
  getParentRoute: () => app, path: "/policy", component: lazyRouteComponent(() => import("./pages/policy/Policy"), "Policy"),
  validateSearch: (raw: Record<string, unknown>): { tab?: string; rule?: string } => given({ tab: text(raw["tab"]), rule: text(raw["rule"]) }) as { tab?: string; rule?: string },
});
const packs = createRoute({ getParentRoute: () => app, path: "/packs", component: lazyRouteComponent(() => import("./pages/packs/Packs"), "Packs"), validateSearch: tabbed });
const deadLetters = createRoute({ getParentRoute: () => app, path: "/deadletters", component: lazyRouteComponent(() => import("./pages/deadletters/DeadLetters"), "DeadLetters") });
const settings = createRoute({ getParentRoute: () => app, path: "/settings", component: lazyRouteComponent(() => import("./pages/settings/Settings"), "KeySettings") });
const webhooks = createRoute({ getParentRoute: () => app, path: "/settings/webhooks", component: lazyRouteComponent(() => import("./pages/settings/Settings"), "WebhookSettings") });
const notifications = createRoute({ getParentRoute: () => app, path: "/settings/notifications", component: lazyRouteComponent(() => import("./pages/settings/Settings"), "NotificationSettings") });
const people = createRoute({ getParentRoute: () => app, path: "/settings/people", component: lazyRouteComponent(() => import("./pages/settings/People"), "People") });
const sessions = createRoute({ getParentRoute: () => app, path: "/settings/sessions", component: lazyRouteComponent(() => import("./pages/settings/Sessions"), "Sessions") });
const toOverview = (): never => {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- the router's own way to say it
  throw redirect({ to: "/" });
};
// Where the identity provider sends somebody whom it did not let in, and where a first administrator is made; once signed in there is nothing here.
const login = createRoute({ getParentRoute: () => root, path: "/login", beforeLoad: toOverview });
const setup = createRoute({ getParentRoute: () => root, path: "/setup", beforeLoad: toOverview });

export const router = createRouter({
  routeTree: root.addChildren([login, setup, app.addChildren([overview, approvals, tasks, task, kill, audit, cost, models, policy, packs, deadLetters, settings, webhooks, notifications, people, sessions])]),
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return <main className="p-10"><h1>There is no such page</h1><p className="mt-2"><Link to="/">Back to the overview</Link></p></main>;
}
