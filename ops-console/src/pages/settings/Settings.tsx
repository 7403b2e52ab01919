import { getRouteApi } from "@tanstack/react-router";

import { Page } from "../../parts/Page";
import { tabOf, Tabs } from "../../parts/Tabs";
import { Keys } from "./Keys";
import { NotificationTargets } from "./NotificationTargets";
import { WebhookSources } from "./WebhookSources";

const TABS = { keys: "Keys", webhooks: "Webhook sources", notifications: "Notifications" } as const;
const route = getRouteApi("/app/settings");

export function Settings() {
  const tab = tabOf(TABS, route.useSearch().tab);
  return (
    <Page title="Settings">
      <Tabs to="/settings" label="Settings" tabs={TABS} current={tab} />
      {tab === "keys" && <Keys />}
      {tab === "webhooks" && <WebhookSources />}
      {tab === "notifications" && <NotificationTargets />}
    </Page>
  );
}
