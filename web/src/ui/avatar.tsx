// An assistant's badge: the first character of its title on lacquer, in a brass ring.
export function Avatar({ title, size = "md" }: { title: string; size?: "sm" | "md" | "lg" }) {
  const first = [...title.trim()][0]?.toUpperCase() ?? "·";
  const scale = { sm: "size-7 text-sm", md: "size-10 text-lg", lg: "size-14 text-2xl" }[size];
  return (
    <span aria-hidden="true"
      className={`${scale} inline-flex shrink-0 items-center justify-center rounded-full border border-brass bg-lacquer-deep font-display text-on-lacquer ring-1 ring-lacquer-deep ring-offset-0 outline-1 -outline-offset-4 outline-brass/40`}>
      {first}
    </span>
  );
}
