// The few drawings the page uses, in one line weight. All are decorative: the control around one carries the words.
import type { SVGProps } from "react";

function Icon({ children, ...rest }: SVGProps<SVGSVGElement>) {
  return (
    <svg viewBox="0 0 20 20" width="1.25em" height="1.25em" fill="none" stroke="currentColor" strokeWidth="1.6"
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false" {...rest}>
      {children}
    </svg>
  );
}

/** The desk bell: the house's mark. */
export const Bell = (props: SVGProps<SVGSVGElement>) => (
  <svg viewBox="0 0 32 32" width="1.5em" height="1.5em" aria-hidden="true" focusable="false" {...props}>
    <path d="M5.5 22a10.5 10.5 0 0 1 21 0z" fill="var(--brass)" />
    <rect x="4" y="23.6" width="24" height="3.4" rx="1.7" fill="currentColor" />
    <rect x="14.4" y="6" width="3.2" height="5" rx="1.4" fill="currentColor" />
  </svg>
);

export const Plus = () => <Icon><path d="M10 4v12M4 10h12" /></Icon>;
export const Send = () => <Icon><path d="M10 16V4.5M5 9l5-5 5 5" /></Icon>;
export const Stop = () => <Icon><rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor" /></Icon>;
export const Upload = () => <Icon><path d="M10 12.5V4M6.5 7.5 10 4l3.5 3.5M4 12.5v2.8q0 1.2 1.2 1.2h9.6q1.2 0 1.2-1.2v-2.8" /></Icon>;
export const Down = () => <Icon><path d="M10 4v11M5.5 10.5 10 15l4.5-4.5" /></Icon>;
export const Copy = () => <Icon><rect x="7" y="7" width="9" height="9" rx="2" /><path d="M13 4.5H6A1.5 1.5 0 0 0 4.5 6v7" /></Icon>;
export const Check = () => <Icon><path d="m4.5 10.5 3.7 3.7 7.3-8" /></Icon>;
export const Cross = () => <Icon><path d="m5 5 10 10M15 5 5 15" /></Icon>;
export const Skip = () => <Icon><path d="M4 10h9M10 6.5l3.5 3.5-3.5 3.5M16 5.5v9" /></Icon>;
export const Menu = () => <Icon><path d="M3.5 6h13M3.5 10h13M3.5 14h9" /></Icon>;
export const Dots = () => <Icon><circle cx="4.5" cy="10" r="1" fill="currentColor" /><circle cx="10" cy="10" r="1" fill="currentColor" /><circle cx="15.5" cy="10" r="1" fill="currentColor" /></Icon>;
export const Retry = () => <Icon><path d="M15.8 8A6 6 0 1 0 16 11.5M16 4v4h-4" /></Icon>;
export const Rewind = () => <Icon><path d="M9.5 5 3.5 10l6 5zM16.5 5l-6 5 6 5z" /></Icon>;
export const Clock = () => <Icon><circle cx="10" cy="10" r="6.8" /><path d="M10 6v4.2l2.8 1.8" /></Icon>;
export const Hook = () => <Icon><circle cx="10" cy="5.8" r="2.3" /><path d="M9 8 6.2 13M11.2 7.8 14 13M7 14.2h6" /><circle cx="5.4" cy="14.2" r="1.6" /><circle cx="14.6" cy="14.2" r="1.6" /></Icon>;
export const Chevron = (props: SVGProps<SVGSVGElement>) => <Icon {...props}><path d="m7 4.5 5.5 5.5L7 15.5" /></Icon>;
export const Person = () => <Icon><circle cx="10" cy="7" r="3.2" /><path d="M4 17c.6-3.6 3-5 6-5s5.4 1.4 6 5" /></Icon>;
export const Steps = () => <Icon><rect x="7" y="2.8" width="6" height="4" rx="1.2" /><rect x="2.5" y="13.2" width="6" height="4" rx="1.2" /><rect x="11.5" y="13.2" width="6" height="4" rx="1.2" /><path d="M10 6.8v3M5.5 13.2V11.5q0-1.7 1.7-1.7h5.6q1.7 0 1.7 1.7v1.7" /></Icon>;
export const Trash = () => <Icon><path d="M4 5.5h12M8 5.5V4h4v1.5M5.5 5.5l.7 10.5h7.6l.7-10.5" /></Icon>;
export const Warning = () => <Icon><path d="M10 3 2.5 16.5h15zM10 8.2v3.6M10 14.2v.1" /></Icon>;
export const Search = () => <Icon><circle cx="9" cy="9" r="5" /><path d="m12.8 12.8 3.7 3.7" /></Icon>;
export const Download = () => <Icon><path d="M10 4v8.5M6.5 9 10 12.5 13.5 9M4 12.5v2.8q0 1.2 1.2 1.2h9.6q1.2 0 1.2-1.2v-2.8" /></Icon>;
export const Globe = () => <Icon><circle cx="10" cy="10" r="6.8" /><path d="M3.4 10h13.2M10 3.2c4 4 4 9.6 0 13.6-4-4-4-9.6 0-13.6" /></Icon>;
export const Question = () => <Icon><path d="M4 4.5h12v9H9.5L6 16.5v-3H4zM8.4 7.6a1.7 1.7 0 1 1 2.3 1.6q-.7.3-.7 1M10 11.6v.1" /></Icon>;
export const Pin = () => <Icon><path d="M10 16.5s5-4.6 5-8.3a5 5 0 0 0-10 0c0 3.7 5 8.3 5 8.3z" /><circle cx="10" cy="8.2" r="1.7" /></Icon>;
