/** The console's pages: what the navigation, the palette, the hotkeys and the help all read. */
export const PLACES = [
  { to: "/", name: "Overview", key: "o", icon: "M3 12h7V3H3zm11 9h7v-9h-7zM3 21h7v-5H3zM14 3v5h7V3z" },
  { to: "/approvals", name: "Approvals", key: "a", icon: "m4 12 5 5L20 6" },
  { to: "/tasks", name: "Tasks", key: "t", icon: "M4 6h16M4 12h16M4 18h10" },
  { to: "/kill", name: "Kill switch", key: "k", icon: "M12 3v9M6.3 6.5a8 8 0 1 0 11.4 0" },
  { to: "/audit", name: "Audit", key: "u", icon: "M12 3 4 6v6c0 5 3.5 8 8 9 4.5-1 8-4 8-9V6z" },
  { to: "/cost", name: "Cost", key: "c", icon: "M4 20V10m6 10V4m6 16v-7m4 7H2" },
  { to: "/models", name: "Models", key: "m", icon: "M12 3v4m0 10v4M3 12h4m10 0h4M9 9h6v6H9z" },
  { to: "/policy", name: "Policy", key: "p", icon: "M12 3v18M5 7h14M5 7l-3 7h6zm14 0-3 7h6z" },
  { to: "/packs", name: "Packs", key: "x", icon: "M12 3 3 7.5v9L12 21l9-4.5v-9zM3 7.5l9 4.5 9-4.5M12 12v9" },
  { to: "/deadletters", name: "Dead letters", key: "d", icon: "M3 7l9 6 9-6M3 6h18v12H3zM9 21l6-6" },
  { to: "/settings", name: "Settings", key: "s", icon: "M4 7h10m4 0h2M4 17h2m4 0h10M14 4v6M10 14v6" },
] as const;
