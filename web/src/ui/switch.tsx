// Something that is on or off. It is the platform's own checkbox, drawn as a switch.
import type { InputHTMLAttributes } from "react";

const TRACK =
  "relative h-6 w-10 shrink-0 appearance-none rounded-full border border-faint/60 bg-wall transition-colors checked:border-lacquer checked:bg-lacquer disabled:opacity-55 focus-visible:rounded-full";
const KNOB =
  "before:absolute before:start-[3px] before:top-[3px] before:size-4 before:rounded-full before:bg-faint before:transition-transform checked:before:translate-x-4 checked:before:bg-on-lacquer";

export function Switch({ className = "", ...rest }: Omit<InputHTMLAttributes<HTMLInputElement>, "type" | "role">) {
  return <input type="checkbox" role="switch" className={`${TRACK} ${KNOB} cursor-pointer ${className}`} {...rest} />;
}
