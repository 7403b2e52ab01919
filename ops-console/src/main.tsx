import "./app.css";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";

import { ProblemError } from "./api/problem";
import { feed, refreshFrom } from "./live/live";
import { router } from "./router";
import { session, useSession } from "./session/session";
import { Entrance, NewPassword } from "./session/Entrance";
import { SignInAgain } from "./session/SignInAgain";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // The feed says when something is stale.
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      // What is refused stays refused; what could not be reached is asked again.
      retry: (times, error) => times < 3 && error instanceof ProblemError && (error.problem.status === 0 || error.problem.status === 503),
    },
  },
});

// Nothing of one person's view is left for the next.
session.onOther(() => client.clear());

function App() {
  const { phase, signedIn } = useSession();
  const open = signedIn !== null && !signedIn.mustChange;
  const id = open ? signedIn.id : null;
  useEffect(() => {
    if (id === null) return;
    const stopRefreshing = refreshFrom(client, feed);
    const stopFeed = feed.start();
    // Whoever signs in again, or is back on the network, waits for nothing.
    const retry = (): void => feed.retry();
    const stopSession = session.subscribe(retry);
    addEventListener("online", retry);
    return () => {
      removeEventListener("online", retry);
      stopSession();
      stopFeed();
      stopRefreshing();
    };
  }, [id]);
  if (signedIn === null) return <Entrance />;
  if (!open) return <NewPassword />;
  return (
    <>
      <RouterProvider key={signedIn.id} router={router} />
      {phase === "lapsed" && <SignInAgain />}
    </>
  );
}

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
