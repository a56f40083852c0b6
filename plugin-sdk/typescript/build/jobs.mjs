// Lets promises come to an end within a call.
//
// In JavaScript whatever stands after an `await`, or in a `then`, is a *job*: the engine queues it, and whoever embeds the
// engine has to run the queue. componentize-qjs does so for exports that are asynchronous in the contract, and for no
// others, so in our synchronous `invoke` no promise would ever settle. (Calling an asynchronous export needs a host that
// speaks another calling convention, for nothing that we want.)
//
// The program that componentize-qjs links has all that is needed, behind functions with names: `wit_dylib_export_call`
// calls an export, and `wit_dylib_export_async_call` calls a function of JavaScript's `__cqjs.asyncExports` and then runs
// the queue until it is empty. So one function is added and takes the first one's name:
//
//     call(context, which):
//         wit_dylib_export_call(context, which)                              // `invoke` starts the user's code
//         wit_dylib_export_async_call(wit_dylib_export_start(which), which)  // the jobs
//         wit_dylib_export_call(context, which)                              // `invoke` tells what came of it
//
// Nothing else in the file changes. A version of componentize-qjs in which this does not fit fails the build here.

const HEADER_BYTES = 8;
const SECTION = { code: 10, component: 4, exports: 7, functions: 3, imports: 2, module: 1 };
const FUNCTION = 0;

const CALL = "wit_dylib_export_call";
const START = "wit_dylib_export_start";
const ASYNC_CALL = "wit_dylib_export_async_call";

/** The component with the jobs of each call run. */
export function runJobs(component) {
  const changed = { modules: 0 };
  const made = binary(component, changed);
  if (changed.modules !== 1) {
    throw new Error(`expected one module that exports \`${CALL}\`, found ${changed.modules}`);
  }
  return made;
}

/** A component, whose parts may be modules and components again, or a module. */
function binary(bytes, changed) {
  const isModule = bytes[6] === 0;
  const sections = sectionsOf(bytes);
  if (isModule) {
    if (addCall(sections)) changed.modules += 1;
  } else {
    for (const section of sections) {
      const isNested = section.id === SECTION.module || section.id === SECTION.component;
      if (isNested) section.body = binary(section.body, changed);
    }
  }
  const parts = sections.flatMap(({ id, body }) => [Buffer.of(id), number(body.length), body]);
  return Buffer.concat([bytes.subarray(0, HEADER_BYTES), ...parts]);
}

/** Adds the function to the module that has the three names; false for any other module. */
function addCall(sections) {
  const section = (id) => sections.find((it) => it.id === id);
  const exported = section(SECTION.exports);
  const names = exported === undefined ? new Map() : functionsByName(exported.body);
  if (![CALL, START, ASYNC_CALL].every((name) => names.has(name))) return false;

  const [functions, code] = [section(SECTION.functions), section(SECTION.code)];
  const imported = importedFunctions(section(SECTION.imports).body);
  const types = readList(functions.body, (reader) => reader.number());
  const added = imported + types.length;

  const call = (name) => [0x10, ...number(names.get(name))];
  const [context, which, drop, end] = [[0x20, 0], [0x20, 1], 0x1a, 0x0b];
  const body = Buffer.from([
    0, // no locals
    ...[...context, ...which, ...call(CALL)],
    ...[...which, ...call(START), ...which, ...call(ASYNC_CALL), drop],
    ...[...context, ...which, ...call(CALL)],
    end,
  ]);
  // The same type as the function whose name it takes.
  functions.body = appended(functions.body, number(types[names.get(CALL) - imported]));
  code.body = appended(code.body, Buffer.concat([number(body.length), body]));
  exported.body = renumbered(exported.body, CALL, added);
  return true;
}

/** A list of the format is its length and its items. */
function appended(list, item) {
  const reader = new Reader(list);
  const count = reader.number();
  return Buffer.concat([number(count + 1), reader.rest(), item]);
}

function functionsByName(body) {
  const all = readList(body, (reader) => reader.export());
  return new Map(all.filter(({ kind }) => kind === FUNCTION).map(({ name, index }) => [name.toString(), index]));
}

function renumbered(body, wanted, index) {
  const all = readList(body, (reader) => reader.export());
  const parts = all.flatMap((it) => {
    const isWanted = it.kind === FUNCTION && it.name.toString() === wanted;
    return [number(it.name.length), it.name, Buffer.of(it.kind), number(isWanted ? index : it.index)];
  });
  return Buffer.concat([number(all.length), ...parts]);
}

function importedFunctions(body) {
  return readList(body, (reader) => reader.importKind()).filter((kind) => kind === FUNCTION).length;
}

function readList(body, item) {
  const reader = new Reader(body);
  return Array.from({ length: reader.number() }, () => item(reader));
}

function sectionsOf(bytes) {
  const reader = new Reader(bytes, HEADER_BYTES);
  const sections = [];
  while (!reader.isAtEnd()) sections.push({ id: reader.byte(), body: reader.bytes(reader.number()) });
  return sections;
}

/** A number as the format writes it: seven bits to a byte, the lowest first (LEB128). */
function number(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}

class Reader {
  constructor(source, at = 0) {
    this.source = source;
    this.at = at;
  }

  isAtEnd() {
    return this.at >= this.source.length;
  }

  byte() {
    return this.source[this.at++];
  }

  bytes(length) {
    this.at += length;
    return this.source.subarray(this.at - length, this.at);
  }

  rest() {
    return this.source.subarray(this.at);
  }

  number() {
    let [value, shift, byte] = [0, 0, 0];
    do {
      byte = this.byte();
      value |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte > 0x7f);
    return value >>> 0;
  }

  export() {
    return { name: this.bytes(this.number()), kind: this.byte(), index: this.number() };
  }

  /** Reads an import to its end. */
  importKind() {
    this.bytes(this.number());
    this.bytes(this.number());
    const kind = this.byte();
    if (kind === FUNCTION) this.number();
    else if (kind === 1) this.table();
    else if (kind === 2) this.limits();
    else if (kind === 3) this.bytes(2);
    else throw new Error(`an import of the unknown kind ${kind}`);
    return kind;
  }

  table() {
    this.byte();
    this.limits();
  }

  limits() {
    const hasMaximum = (this.byte() & 1) !== 0;
    this.number();
    if (hasMaximum) this.number();
  }
}
