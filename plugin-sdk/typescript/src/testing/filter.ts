// The typed filter, as the server understands it: every member of the object must hold; `any`, `all` and `not` combine.

import { refusal } from "./refusal.ts";

export type Fields = Record<string, unknown>;

/** Whether a record's fields pass. `known` are the fields that the knowledge base has. */
export function passes(filter: unknown, fields: Fields, known: string[]): boolean {
  if (typeof filter !== "object" || filter === null || Array.isArray(filter)) {
    throw refusal("invalid_input", "a filter is an object");
  }
  // Every member is looked at, so that a mistake in one is told whatever the others say.
  const held = Object.entries(filter).map(([name, condition]) => {
    if (name === "any") return parts(condition).map((part) => passes(part, fields, known)).some(Boolean);
    if (name === "all") return parts(condition).map((part) => passes(part, fields, known)).every(Boolean);
    if (name === "not") return !passes(condition, fields, known);
    checkField(name, known);
    return matches(fields[name] ?? null, condition);
  });
  return held.every(Boolean);
}

export function checkField(name: string, known: string[]): void {
  if (!known.includes(name)) {
    throw refusal("invalid_input", `there is no field \`${name}\`; the fields are ${known.join(", ")}`);
  }
}

function parts(condition: unknown): unknown[] {
  if (!Array.isArray(condition)) throw refusal("invalid_input", "`any` and `all` take a list of filters");
  return condition;
}

function matches(value: unknown, condition: unknown): boolean {
  if (typeof condition !== "object" || condition === null || Array.isArray(condition)) return equal(value, condition);
  const held = Object.entries(condition).map(([operator, operand]) => {
    const order = compare(value, operand);
    switch (operator) {
      case "eq":
        return equal(value, operand);
      case "ne":
        return !equal(value, operand);
      case "in":
        return Array.isArray(operand) && operand.some((it) => equal(value, it));
      case "gt":
        return order !== undefined && order > 0;
      case "gte":
        return order !== undefined && order >= 0;
      case "lt":
        return order !== undefined && order < 0;
      case "lte":
        return order !== undefined && order <= 0;
      case "contains":
        return contains(value, operand);
      case "exists":
        return (value !== null) === (operand !== false);
      default:
        throw refusal("invalid_input", `there is no operator \`${operator}\``);
    }
  });
  return held.every(Boolean);
}

/** A list is equal to a value when it has it. */
function equal(value: unknown, operand: unknown): boolean {
  if (Array.isArray(value)) return value.some((it) => equal(it, operand));
  return value === operand || JSON.stringify(value) === JSON.stringify(operand);
}

/** Numbers with numbers and texts with texts; nothing else has an order. */
export function compare(value: unknown, operand: unknown): number | undefined {
  if (typeof value === "number" && typeof operand === "number") return value - operand;
  if (typeof value === "string" && typeof operand === "string") return value < operand ? -1 : value > operand ? 1 : 0;
  return undefined;
}

function contains(value: unknown, operand: unknown): boolean {
  if (typeof value === "string" && typeof operand === "string") return value.includes(operand);
  return Array.isArray(value) && value.some((it) => JSON.stringify(it) === JSON.stringify(operand));
}
