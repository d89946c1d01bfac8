/**
 * Where a client's subjects are at the broker. Without a prefix nowhere else; with one, under it, and the client sees
 * nothing of the prefix: neither in subjects nor in errors.
 */
export class SubjectScope {
  /** With its dot, or empty. */
  readonly prefix: string

  constructor(subjectPrefix: string | undefined) {
    this.prefix = subjectPrefix === undefined ? '' : `${subjectPrefix}.`
  }

  /** The broker's name of a client's subject or subject filter. */
  toBroker(subject: string): string {
    return this.prefix + subject
  }

  /** The client's name of a broker's subject; undefined if it lies outside. */
  toClient(subject: string): string | undefined {
    return subject.startsWith(this.prefix) ? subject.slice(this.prefix.length) : undefined
  }
}
