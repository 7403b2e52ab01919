// Before the first paint, so that a dark console never flashes white. A file, for the page's policy forbids inline scripts.
try {
  const chosen = localStorage.getItem("agentos.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is forbidden here: the system's own theme stays.
}
