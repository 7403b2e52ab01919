export type Theme = "system" | "light" | "dark";
const KEY = "agentos.theme";

export function currentTheme(): Theme {
  const set = document.documentElement.dataset["theme"];
  return set === "light" || set === "dark" ? set : "system";
}

/** Also kept for the next visit, where the browser allows it. */
export function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    console.info("the theme is not kept: storage is forbidden");
  }
}
