/**
 * Stable codes of the errors that Spanwire throws or reports.
 *
 * | code | meaning |
 * | --- | --- |
 * | `invalid-argument` | an option or argument has a value that the documentation does not allow |
 * | `invalid-subject` | a subject, subject filter or subject template is not valid in NATS's grammar |
 * | `invalid-params` | a subject parameter is missing, empty, or holds `.`, `*`, `>` or white space |
 * | `invalid-header` | a header name or value cannot be encoded in a `NATS/1.0` header block |
 * | `invalid-data` | the schema refused an event's data |
 * | `unknown-event` | the contract has no event with that name |
 * | `protocol-violation` | the other side sent bytes that are not valid in the NATS protocol |
 * | `permission-denied` | the server refused a publish or a subscription |
 * | `authentication-failed` | the server refused the credentials, or they expired |
 * | `payload-too-large` | the payload exceeds the server's `max_payload` |
 * | `no-responders` | the subject of a request has no subscriber |
 * | `responder-failed` | the responder answered a request with an error |
 * | `timeout` | an answer did not arrive in time |
 * | `aborted` | the caller's AbortSignal was aborted |
 * | `connection-lost` | the connection ended before the server confirmed the operation, which may have succeeded |
 * | `connection-refused` | a connection could not be opened |
 * | `connection-closed` | the client was closed. Create a new one |
 * | `offline-queue-full` | the queue for messages without a connection is full |
 * | `slow-consumer` | events arrived faster than they were read |
 * | `upstream-unavailable` | the bridge is temporarily not connected to NATS |
 * | `rate-limited` | a limit of the bridge was exceeded. Send less |
 * | `stream-not-found` | no stream stores the subject, or JetStream is not enabled |
 * | `stream-conflict` | a stream cannot be created or changed: it would lose data, or overlap another stream |
 * | `stream-refused` | a stream refused a message, such as because it is full |
 * | `wrong-last-sequence` | `expectLastSeq` or `expectLastSubjectSeq` did not match: another message was stored first |
 * | `unsupported` | this server, runtime or transport does not support the operation |
 * | `request-refused` | an HTTP request was refused for another reason |
 * | `broker-unavailable` | a relay cannot reach Kafka, RabbitMQ or ActiveMQ; it tries again |
 * | `broker-refused` | Kafka, RabbitMQ or ActiveMQ refused a message, or is not configured as a relay needs it |
 */
export type SpanwireErrorCode =
  | 'invalid-argument'
  | 'invalid-subject'
  | 'invalid-params'
  | 'invalid-header'
  | 'invalid-data'
  | 'unknown-event'
  | 'protocol-violation'
  | 'permission-denied'
  | 'authentication-failed'
  | 'payload-too-large'
  | 'no-responders'
  | 'responder-failed'
  | 'timeout'
  | 'aborted'
  | 'connection-lost'
  | 'connection-refused'
  | 'connection-closed'
  | 'offline-queue-full'
  | 'slow-consumer'
  | 'upstream-unavailable'
  | 'rate-limited'
  | 'stream-not-found'
  | 'stream-conflict'
  | 'stream-refused'
  | 'wrong-last-sequence'
  | 'unsupported'
  | 'request-refused'
  | 'broker-unavailable'
  | 'broker-refused'

/**
 * The error class of Spanwire. Switch on `code`. `message` states the problem and what to do about it. `cause` is the
 * original error, if any. To test for it, use {@link isSpanwireError}: `instanceof` is false for errors of another copy of
 * the package.
 *
 * @example
 *     bus.publish(name, data).catch((error) => {
 *       if (!isSpanwireError(error, 'permission-denied')) throw error
 *     })
 */
export class SpanwireError extends Error {
  /** Always `SpanwireError`. */
  override readonly name = 'SpanwireError'
  /** The kind of error. Stable across versions. */
  readonly code: SpanwireErrorCode
  /** Problems that a schema found. Only for `invalid-data`. */
  declare readonly issues?: ReadonlyArray<{
    readonly message: string
    readonly path?: ReadonlyArray<unknown> | undefined
  }>

  /** Marks errors of every copy of this package for {@link isSpanwireError}. */
  get '~spanwire'(): true {
    return true
  }

  constructor(
    code: SpanwireErrorCode,
    message: string,
    options?: { cause?: unknown; issues?: SpanwireError['issues'] },
  ) {
    super(message, options)
    this.code = code
    if (options?.issues) this.issues = options.issues
  }
}

/** Whether `error` is a {@link SpanwireError} of any copy of this package, and has `code` if it is given. */
export function isSpanwireError(error: unknown, code?: SpanwireErrorCode): error is SpanwireError {
  const given = error as Partial<SpanwireError> | null | undefined
  return !!given?.['~spanwire'] && (code === undefined || given.code === code)
}
