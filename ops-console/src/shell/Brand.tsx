export function Brand() {
  return (
    <span className="flex items-center gap-2.5 font-semibold tracking-tight">
      <img src="/icon.svg" alt="" className="size-7" />
      AgentOS
    </span>
  );
}
