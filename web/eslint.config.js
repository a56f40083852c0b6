// Lint rules of the web page. The import rules are the architecture: features → ui, api, i18n; never one another.
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const forbid = (...patterns) => ({
  "no-restricted-imports": [
    "error",
    { patterns: patterns.map(([group, message]) => ({ group, message })) },
  ],
});

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.d.ts", "e2e/shots"] },
  ...tseslint.configs.recommended,
  { files: ["src/**/*.{ts,tsx}"], ...hooks.configs.flat["recommended-latest"] },
  {
    files: ["src/**/*.{ts,tsx}"],
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "no-console": "error",
      "max-lines": ["error", { max: 500 }],
    },
  },
  {
    files: ["src/features/**"],
    rules: forbid(
      [["@/features/**", "../*", "!./*"], "A feature uses ui, api and i18n; features never import each other."],
      [["@/app/**"], "A feature does not know the application that hosts it."],
    ),
  },
  {
    files: ["src/ui/**"],
    rules: forbid([["@/features/**", "@/app/**"], "ui is below the features."]),
  },
  {
    files: ["src/api/**", "src/i18n/**"],
    rules: forbid([["@/features/**", "@/app/**", "@/ui/**"], "This folder is below ui and the features."]),
  },
);
