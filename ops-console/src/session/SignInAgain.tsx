import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { waysIn } from "./Entrance";
import { session, useSession } from "./session";
import { SignIn } from "./SignIn";

/** Over the page, which stays as it is. It goes by signing in or by leaving, never by Escape: what was typed would go too. */
export function SignInAgain() {
  const { signedIn, notice } = useSession();
  const dialog = useRef<HTMLDialogElement>(null);
  const ways = useQuery({ queryKey: ["setup"], queryFn: waysIn });
  useEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    shown?.showModal();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  if (signedIn === null) return null;
  return (
    <dialog ref={dialog} aria-labelledby="again" data-modal="" className="panel m-auto w-[min(96vw,28rem)] bg-surface p-6 shadow-2xl"
      onCancel={(event) => event.preventDefault()} onClose={(event) => {
        // A browser lets a second Escape through.
        if (event.currentTarget.isConnected) event.currentTarget.showModal();
      }}>
      <h2 id="again" className="mb-3">Sign in again</h2>
      <SignIn provider={ways.data?.provider ?? null} notice={notice} lapsed={signedIn} />
      <button type="button" className="btn btn-quiet mt-2 w-full" onClick={() => void session.end()}>Leave, and drop what was typed</button>
    </dialog>
  );
}
