const NAME = /^[^.*>\s/\\]+$/

/** Whether a stream or a consumer can have that name: it is a token of subjects, and a folder of the server's. */
export function isJetStreamName(name: string): boolean {
  return NAME.test(name)
}
