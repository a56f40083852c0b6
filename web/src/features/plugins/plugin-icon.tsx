// A plugin's sign: its own drawing, or the first character of its title. The drawing is a stranger's, so it is shown as an
// image, in which nothing runs and nothing is fetched.
interface PluginIconProps {
  icon: string | null | undefined;
  title: string;
  faded?: boolean;
}

export function PluginIcon({ icon, title, faded = false }: PluginIconProps) {
  const first = [...title.trim()][0]?.toUpperCase() ?? "·";
  return (
    // Light in both themes: drawings are made for paper.
    <span aria-hidden="true" className={`inline-flex size-12 shrink-0 items-center justify-center rounded-xl border border-line bg-[#fafbf8] font-display text-xl text-[#1d4a3d] ${faded ? "opacity-55 grayscale" : ""}`}>
      {icon ? <img src={`data:image/svg+xml,${encodeURIComponent(icon)}`} alt="" className="size-7 object-contain" /> : first}
    </span>
  );
}
