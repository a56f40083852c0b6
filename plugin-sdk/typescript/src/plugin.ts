// A plugin as its author writes it, and the manifest that is made of it.

import type { Static, TObject, TSchema } from "typebox";

import { bothLanguages, type Text } from "./text.ts";

type AnObject = Record<string, unknown>;

/** A call of a tool that shows people how it is used. `parlour plugin test` makes it, in the real sandbox. */
export interface Example<Input, Output> {
  title: Text;
  input: Input;
  /** The exact result, for tools that depend on nothing else. */
  output?: Output;
}

export interface Tool<Input extends TObject = TObject, Output extends TSchema = TSchema> {
  /** Made of the tool's name when it is left out. */
  title?: Text;
  /** What it does, for people and for language models that choose a tool. */
  description: Text;
  /** What it takes. Arguments that are not in it are refused, unless it says `additionalProperties`. */
  input: Input;
  output: Output;
  /** What it does to the world outside its answer; `reads` when the plugin asks for a permission, else `none`. */
  effects?: "none" | "reads" | "writes";
  /** Whether a call may be repeated with the same input; true unless the tool writes. */
  idempotent?: boolean;
  examples?: Example<Static<Input>, Static<Output>>[];
  /** What it does. What it throws ends the call: a `ToolError` with its kind, anything else as `failed`. */
  run(input: Static<Input>): Static<Output> | Promise<Static<Output>>;
}

/** What a plugin may be granted, each with the reason that an admin reads. */
export interface Permissions {
  /** Knowledge bases by name; `*` for whichever the caller names. */
  knowledge?: { name: string; reason: Text }[];
  /**
   * Hosts: `api.example.com`; `*.example.com` for every host below it; `*` for any; `config:KEY` for the one of the address
   * in that setting. Methods are `GET` and `HEAD` unless said otherwise.
   */
  http?: { host: string; methods?: ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE")[]; reason: Text }[];
  /** Language models by what they are for, and the tokens of one call of a tool, input and output together. */
  model?: { roles: string[]; maxTokensPerCall: number; reason: Text };
  /** A store of so many bytes, keys and values together. */
  storage?: { maxBytes: number; reason: Text };
}

export type Tools = Record<string, Tool>;

export interface Definition<All extends Tools = Tools> {
  /** Small letters, digits and `_`. */
  id: string;
  title: Text;
  description: Text;
  /** The text of an SVG file: `import icon from "../icon.svg"`. Plain shapes only; no scripts, styles or links. */
  icon?: string;
  homepage?: string;
  /** The schema of the tenant's settings, which becomes a form; `config.read` takes it too. */
  config?: TObject;
  permissions?: Permissions;
  tools: All;
}

/** What the module of a plugin exports as its default. */
export interface Plugin<All extends Tools = Tools> extends Definition<All> {
  readonly isParlourPlugin: true;
}

export function plugin<All extends Tools>(definition: Definition<All>): Plugin<All> {
  return { ...definition, isParlourPlugin: true };
}

/** A tool, with the type of its input taken from the schema. */
export function tool<Input extends TObject, Output extends TSchema>(definition: Tool<Input, Output>): Tool<Input, Output> {
  return definition;
}

/** What `package.json` says; the plugin has its version and its licence. */
export interface Package {
  version: string;
  license?: string;
  homepage?: string;
}

/** What `describe` tells the server (`manifest.schema.json`). */
export interface Manifest {
  id: string;
  version: string;
  title: { en: string; zh: string };
  description: { en: string; zh: string };
  icon: string | null;
  homepage: string | null;
  license: string | null;
  tools: {
    name: string;
    title: { en: string; zh: string };
    description: { en: string; zh: string };
    input: AnObject;
    output: AnObject;
    idempotent: boolean;
    effects: "none" | "reads" | "writes";
    examples: { title: { en: string; zh: string }; input: unknown; output?: unknown }[];
  }[];
  config: AnObject | null;
  permissions: {
    knowledge: { name: string; reason: { en: string; zh: string } }[];
    http: { host: string; methods: string[]; reason: { en: string; zh: string } }[];
    model?: { roles: string[]; max_tokens_per_call: number; reason: { en: string; zh: string } };
    storage?: { max_bytes: number; reason: { en: string; zh: string } };
  };
}

export function manifestOf(definition: Definition, { version, license, homepage }: Package): Manifest {
  const permissions = permissionsOf(definition.permissions ?? {});
  const { knowledge, http, model, storage } = permissions;
  const asks = knowledge.length > 0 || http.length > 0 || model !== undefined || storage !== undefined;
  return {
    id: definition.id,
    version,
    title: bothLanguages(definition.title),
    description: bothLanguages(definition.description),
    icon: definition.icon?.trim() ?? null,
    homepage: definition.homepage ?? homepage ?? null,
    license: license ?? null,
    tools: Object.entries(definition.tools).map(([name, tool]) => {
      const effects = tool.effects ?? (asks ? "reads" : "none");
      return {
        name,
        title: bothLanguages(tool.title ?? titleOf(name)),
        description: bothLanguages(tool.description),
        input: closed(tool.input),
        output: plain(tool.output),
        idempotent: tool.idempotent ?? effects !== "writes",
        effects,
        examples: (tool.examples ?? []).map((example) => ({ ...example, title: bothLanguages(example.title) })),
      };
    }),
    config: definition.config === undefined ? null : closed(definition.config),
    permissions,
  };
}

function permissionsOf({ knowledge = [], http = [], model, storage }: Permissions): Manifest["permissions"] {
  return {
    knowledge: knowledge.map(({ name, reason }) => ({ name, reason: bothLanguages(reason) })),
    http: http.map(({ host, methods = ["GET", "HEAD"], reason }) => ({ host, methods, reason: bothLanguages(reason) })),
    ...(model && {
      model: { roles: model.roles, max_tokens_per_call: model.maxTokensPerCall, reason: bothLanguages(model.reason) },
    }),
    ...(storage && { storage: { max_bytes: storage.maxBytes, reason: bothLanguages(storage.reason) } }),
  };
}

/** An argument that nobody knows is a mistake and is told, not ignored. */
function closed(schema: TSchema): AnObject {
  return { additionalProperties: false, ...plain(schema) };
}

/** Without what TypeBox keeps for itself. */
function plain(schema: TSchema): AnObject {
  return JSON.parse(JSON.stringify(schema)) as AnObject;
}

/** `split_bill` is “Split bill”. */
function titleOf(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
