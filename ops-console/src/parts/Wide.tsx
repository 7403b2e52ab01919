import type { ReactNode } from "react";

/** What may be wider than the screen, such as a table: it scrolls by itself, by keyboard too. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return (
    // Positioned, so that what only screen readers see scrolls with it and widens no page.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must take the focus
    <div className="relative overflow-x-auto" role="region" aria-label={label} tabIndex={0}>{children}</div>
  );
}
