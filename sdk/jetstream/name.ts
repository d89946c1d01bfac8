// As nats-server checks it: white space is ASCII's, other white space may be part of a name.
const NAME = /^[^.*> \t\r\n\f/\\]+$/

/** Whether a stream or consumer may have this name. It becomes a subject token and a folder of the server. */
export function isJetStreamName(name: string): boolean {
  return NAME.test(name)
}
