/**
 * Stable codes of the errors that Spanwire throws or reports. Each comment has the cause, and the remedy after `Remedy:`.
 * `npm run errors` writes sdk/ERRORS.md from them.
 */
export type SpanwireErrorCode =
  /**
   * An option or argument has a value that the documentation does not allow.
   * Remedy: Correct the value that the message names. The documentation of the option has its range and unit.
   */
  | 'invalid-argument'
  /**
   * A subject, subject filter or subject template is not valid in the grammar of NATS.
   * Remedy: Separate tokens by ".", and leave out blanks, empty tokens, and wildcards where one subject is required.
   */
  | 'invalid-subject'
  /**
   * A subject parameter is missing, empty, or has `.`, `*`, `>` or white space.
   * Remedy: Pass each parameter of the event as one plain token. Encode other text, such as by `encodeURIComponent`.
   */
  | 'invalid-params'
  /**
   * A header name or value cannot be encoded in a `NATS/1.0` header block.
   * Remedy: Leave out line breaks and colons in names. Encode binary values as base64.
   */
  | 'invalid-header'
  /**
   * The schema refused the data of an event. `issues` has the problems that it found.
   * Remedy: When you publish, correct the data. When you receive, compare the contracts of both sides: `npx spanwire
   * contract check`.
   */
  | 'invalid-data'
  /**
   * An event has a newer version than the contract of its receiver.
   * Remedy: Deploy the new contract to subscribers before publishers. Read the event again afterwards, from its stream.
   */
  | 'newer-version'
  /**
   * The contract has no event with that name.
   * Remedy: Compare the name with the keys of `defineEvents`. Deploy the contract that has the event.
   */
  | 'unknown-event'
  /**
   * The other side sent bytes that are not valid in the NATS protocol.
   * Remedy: Check the address: it may be another server or a proxy that changes bytes. Otherwise report it as a bug.
   */
  | 'protocol-violation'
  /**
   * The server refused a publish or a subscription.
   * Remedy: Add the subject to the token: `npx spanwire token decode` shows its permissions. Deny rules win.
   */
  | 'permission-denied'
  /**
   * The server refused the credentials, or they expired.
   * Remedy: Sign a new token, and compare secret, issuer, audience and clocks of both sides: `npx spanwire doctor`.
   */
  | 'authentication-failed'
  /**
   * The payload exceeds the `max_payload` of the server.
   * Remedy: Send less in one event, or raise `limits.maxPayload` of the bridge and `max_payload` of nats-server.
   */
  | 'payload-too-large'
  /**
   * The subject of a request has no subscriber.
   * Remedy: Start the responder, compare its subject, and check that it connects to the same NATS account.
   */
  | 'no-responders'
  /**
   * The responder answered a request with an error.
   * Remedy: Read the message, and the log of the responder: `onError` of its bus has the original error.
   */
  | 'responder-failed'
  /**
   * An answer did not arrive in time.
   * Remedy: Repeat the operation if it may run twice. Otherwise check the responder, or raise `timeout`.
   */
  | 'timeout'
  /**
   * The AbortSignal of the caller was aborted.
   * Remedy: Nothing. The operation ended because your code ended it.
   */
  | 'aborted'
  /**
   * The connection ended before the server confirmed the operation, which may have succeeded.
   * Remedy: Repeat it if it may run twice. Events with a stream are repeated by the SDK, and stored once.
   */
  | 'connection-lost'
  /**
   * A connection could not be opened, or a port is in use.
   * Remedy: Check the address, the path, TLS and firewalls: `npx spanwire doctor`. The client retries by itself.
   */
  | 'connection-refused'
  /**
   * The client was closed.
   * Remedy: Create a new client with `connect`.
   */
  | 'connection-closed'
  /**
   * The queue for messages without a connection is full.
   * Remedy: Wait for `bus.status` to be `open`, publish less, or raise `offline`.
   */
  | 'offline-queue-full'
  /**
   * Events arrived faster than they were read.
   * Remedy: Do less in the loop or handler, or use a narrower filter. Use `conflate` for prices and positions.
   */
  | 'slow-consumer'
  /**
   * The bridge is temporarily not connected to NATS, or is shutting down.
   * Remedy: Try again after a second. If it lasts, check nats-server and `/healthz` of the bridge.
   */
  | 'upstream-unavailable'
  /**
   * A limit of the bridge was exceeded.
   * Remedy: Send less, or raise the limit in `limits` of the bridge, such as `publishRate`.
   */
  | 'rate-limited'
  /**
   * No stream stores the subject, or JetStream is not enabled.
   * Remedy: Run `npx spanwire streams apply` or `ensureStreams`, and start nats-server with `-js`.
   */
  | 'stream-not-found'
  /**
   * A stream cannot be created or changed: it would lose data, or overlap another stream.
   * Remedy: Run `npx spanwire streams plan`, and resolve the change that it names, or rename the stream.
   */
  | 'stream-conflict'
  /**
   * A stream refused a message, such as because it is full.
   * Remedy: Raise the limits of the stream, or let it discard old messages.
   */
  | 'stream-refused'
  /**
   * `expectLastSeq` or `expectLastSubjectSeq` did not match: another message was stored first.
   * Remedy: Read the subject again, decide with its new state, and retry with its current sequence.
   */
  | 'wrong-last-sequence'
  /**
   * This server, runtime or transport does not support the operation, or an optional package is not installed.
   * Remedy: Install the package that the message names, or use another transport or a newer server.
   */
  | 'unsupported'
  /**
   * An HTTP request was refused for another reason.
   * Remedy: Check path and method. If the status is 500, read the log of the bridge.
   */
  | 'request-refused'
  /**
   * A relay cannot reach Kafka, RabbitMQ or ActiveMQ.
   * Remedy: Check the broker and its address. The relay tries again by itself, and loses nothing meanwhile.
   */
  | 'broker-unavailable'
  /**
   * Kafka, RabbitMQ or ActiveMQ refused a message, or is not configured as a relay needs it.
   * Remedy: Correct the topic or queue that the message names. The guide of the relay has the settings.
   */
  | 'broker-refused'
  /**
   * A part of Spanwire could not be loaded: its file is gone, or `import()` is forbidden.
   * Remedy: Reload the page. In Service Workers and extensions, bundle the client as one file.
   */
  | 'not-loaded'

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
  declare readonly code: SpanwireErrorCode
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
