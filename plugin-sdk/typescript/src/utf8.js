// In JavaScript, because the package's own types bring those of Node into every plugin that sees them.
export { utf8fromStringLoose, utf8toStringLoose } from "@exodus/bytes/utf8.js";
