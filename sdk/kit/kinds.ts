// `instanceof` is false for values of another realm, such as an iframe, and for promises of a library.

/** Whether a value is to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}

/** Whether a value is an error. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || kindOf(value) === 'Error'
}

/** Whether a value is a Uint8Array. */
export function isBytes(value: unknown): value is Uint8Array {
  return kindOf(value) === 'Uint8Array'
}

/** Whether a value is a whole number that a double holds exactly. */
export function isWholeNumber(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/** The members of an object. A primitive value has no members of its own. */
export function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return Object(value)
}

function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1)
}
