// A sentence from the language files or from the server, with the values between backticks set as code.
export function Words({ text }: { text: string }) {
  const parts = text.split("`");
  return parts.map((part, index) =>
    index % 2 === 1 ? (
      <code key={index} className="rounded bg-wash px-1 py-px font-mono text-[0.88em]">{part}</code>
    ) : (
      <span key={index}>{part}</span>
    ),
  );
}
