// Files that a plugin imports as the text they are: `import icon from "../icon.svg"`.

declare module "*.svg" {
  const text: string;
  export default text;
}

declare module "*.txt" {
  const text: string;
  export default text;
}

declare module "*.md" {
  const text: string;
  export default text;
}
