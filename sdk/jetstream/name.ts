const NAME = /^[^.*>\s/\\]+$/

/** Whether a stream or consumer may have this name. It becomes a subject token and a folder of the server. */
export function isJetStreamName(name: string): boolean {
  return NAME.test(name)
}
