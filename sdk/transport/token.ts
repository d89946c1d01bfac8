/** A token, or a function that brings a fresh one. */
export type TokenSource = string | (() => string | Promise<string>)
