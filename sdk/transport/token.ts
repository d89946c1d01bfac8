/** A token, or a function that returns a new one. */
export type TokenSource = string | (() => string | Promise<string>)
