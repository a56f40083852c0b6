// A package that brings no types; `globals.d.ts` has those that a plugin sees.
declare module "@ungap/structured-clone";
