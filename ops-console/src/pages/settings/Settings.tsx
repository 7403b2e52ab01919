import type { ReactNode } from "react";

import { Page } from "../../parts/Page";
import { Keys } from "./Keys";
import { NotificationTargets } from "./NotificationTargets";
import { Sections } from "./Sections";
import { WebhookSources } from "./WebhookSources";

const Settings = ({ children }: { children: ReactNode }) => <Page title="Settings"><Sections />{children}</Page>;

export const KeySettings = () => <Settings><Keys /></Settings>;
export const WebhookSettings = () => <Settings><WebhookSources /></Settings>;
export const NotificationSettings = () => <Settings><NotificationTargets /></Settings>;
