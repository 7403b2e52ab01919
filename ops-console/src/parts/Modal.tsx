import { type ReactNode, useEffect, useId, useRef } from "react";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  tone?: "plain" | "stop";
}

/** What somebody fills in; of a group of choices the one that is made. */
const FIELDS = "input:not([type=radio]), input:checked, select, textarea";

/** The browser's own modal dialog: it begins in its first field, keeps the focus, makes the page behind it inert, and gives the focus back. */
export function Modal({ title, onClose, children, wide = false, tone = "plain" }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    shown?.showModal();
    shown?.querySelector<HTMLElement>(FIELDS)?.focus();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={heading} data-modal=""
      className={`panel m-auto max-h-[92dvh] w-[min(96vw,${wide ? "52rem" : "34rem"})] overflow-hidden bg-surface p-0 shadow-2xl ${wide ? "max-w-[52rem]" : "max-w-[34rem]"}`}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}>
      <div className="flex max-h-[92dvh] flex-col">
        <header className={`flex items-center justify-between gap-4 border-b border-line px-5 py-3 ${tone === "stop" ? "bg-stop text-stop-ink" : ""}`}>
          <h2 id={heading}>{title}</h2>
          <button type="button" className="rounded px-1.5 text-lg leading-none" aria-label="Close" onClick={onClose}>×</button>
        </header>
        <div className="overflow-y-auto p-5">{children}</div>
      </div>
    </dialog>
  );
}
