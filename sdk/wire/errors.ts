/**
 * Every error that Spanwire throws or reports, by its stable code.
 *
 * | code | what happened |
 * | --- | --- |
 * | `invalid-argument` | an option or argument is outside what the documentation allows |
 * | `invalid-subject` | a subject, subject filter or subject template breaks NATS's grammar |
 * | `invalid-params` | a subject parameter is missing, empty, or holds `.`, `*`, `>` or white space |
 * | `invalid-header` | a header name or value can't be written in a `NATS/1.0` header block |
 * | `invalid-data` | the schema refused an event's data |
 * | `unknown-event` | the contract has no event of that name |
 * | `protocol-violation` | bytes from the other side are not the NATS protocol |
 * | `permission-denied` | the server refused this publish or subscription |
 * | `authentication-failed` | the server refused the credentials, or they expired |
 * | `payload-too-large` | the payload is over the server's `max_payload` |
 * | `no-responders` | nobody listens on the subject of a request |
 * | `responder-failed` | the responder answered a request with an error |
 * | `timeout` | no answer in time |
 * | `aborted` | the caller's AbortSignal ended the operation |
 * | `connection-lost` | the connection ended before the server confirmed; it may or may not have arrived |
 * | `connection-refused` | no connection could be made |
 * | `connection-closed` | the client was closed; make a new one |
 * | `offline-queue-full` | too much was published while offline |
 * | `slow-consumer` | events came faster than they were read |
 * | `upstream-unavailable` | the bridge has lost NATS for the moment |
 * | `rate-limited` | more was published than the bridge allows; slow down |
 * | `stream-not-found` | no stream keeps that subject, or JetStream isn't there |
 * | `stream-conflict` | a stream can't be made or changed as asked: it would lose data, or overlaps another |
 * | `stream-refused` | a stream didn't take the message: it is full, or a rule of its forbids it |
 * | `wrong-last-sequence` | somebody published in between: `expectLastSeq` or `expectLastSubjectSeq` didn't hold |
 * | `unsupported` | this server, runtime or transport can't do that |
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
 * The one error class of Spanwire. Switch on `code`; `message` says what happened and what to do;
 * `cause` is the error underneath, if there is one.
 */
export class SpanwireError extends Error {
  override readonly name = 'SpanwireError'
  /** Stable across versions: safe to switch on. */
  readonly code: SpanwireErrorCode
  /** What a schema said about the data (`invalid-data` only). */
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

/** Whether `error` is a {@link SpanwireError}, and, if `code` is given, one with that code. */
export function isSpanwireError(error: unknown, code?: SpanwireErrorCode): error is SpanwireError {
  const given = error as Partial<SpanwireError> | null | undefined
  return !!given?.['~spanwire'] && (code === undefined || given.code === code)
}
