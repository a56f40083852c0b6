/** What went wrong in words that are for the author of a plugin, so that no stack of ours is shown. */
export class Told extends Error {}
