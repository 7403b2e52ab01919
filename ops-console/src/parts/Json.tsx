/** Data as it is, for who asked for it: indented, and never interpreted. */
export function Json({ value, label }: { value: unknown; label: string }) {
  return (
    // Scrolls by keyboard too.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must take the focus
    <pre className="code max-h-[32rem] overflow-auto rounded-md border border-line bg-raised p-3" role="region" tabIndex={0} aria-label={label}>
      {JSON.stringify(value, null, 2)}
    </pre>
  );
}
