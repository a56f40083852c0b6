// The plugin's two exports. A call comes in two halves, because the engine runs what promises wait for only between them
// (`build/jobs.mjs` says why and how): the first half starts the user's code, the second tells what came of it.
//
// Every call has an instance of its own, made from the snapshot that the build took. So nothing here is ever used twice.

import "./surroundings.js";
import { json } from "./values.js";
import { CompileError, compile, inWords } from "./source.js";

// The user's code may replace what it finds; what is needed after it ran is taken before.
const { parse } = JSON;
const { apply } = Reflect;
const { then } = Promise.prototype;

// Called between the halves, for nothing but the jobs that the engine runs afterwards.
const nothing = () => undefined;
Object.assign(globalThis.__cqjs.asyncExports.tools, { describe: nothing, invoke: nothing });

const RUNNING = 0;
const RETURNED = 1;
const THREW = 2;

/** None before the first half. `value` is what was returned, or thrown. */
let call;

/** The exports; the build calls this with the manifest, in a line that it puts at the end of this file. */
function plugin(manifest) {
  return {
    describe: () => manifest,
    invoke: (tool, input) => (call === undefined ? begin(tool, input) : end()),
  };
}

/** What this returns is not looked at. */
function begin(tool, input) {
  call = { state: RUNNING, value: undefined };
  try {
    if (tool !== "run") throw new CompileError(`there is no tool \`${tool}\``);
    const { source, inputs } = parse(input);
    const settle = (state) => (value) => {
      call.state = state;
      call.value = value;
    };
    apply(then, compile(source)(inputs ?? {}), [settle(RETURNED), settle(THREW)]);
  } catch (error) {
    call = { state: THREW, value: error };
  }
  return "";
}

/** The output as JSON text; an exception is the contract's `error`. */
function end() {
  const { state, value } = call;
  if (state === RUNNING) {
    throw failed("the code waits for something that never comes: there are no timers and no network in the sandbox");
  }
  if (state === THREW) {
    throw value instanceof CompileError ? { tag: "invalid-input", val: value.message } : failed(inWords(value));
  }
  let output;
  try {
    output = json(value);
  } catch (error) {
    throw failed(inWords(error));
  }
  return `{"output":${output}}`;
}

function failed(words) {
  return { tag: "failed", val: `${words}` };
}
