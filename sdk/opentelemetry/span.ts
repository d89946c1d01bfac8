/** Attributes and duration of spans. */
import { type Attributes, type Context, context, type Span, SpanStatusCode } from '@opentelemetry/api'
import { isError, isThenable } from '../kit/kinds.ts'
import { isSpanwireError, type SpanwireErrorCode } from '../wire/errors.ts'

/** Value of `messaging.operation.name`. */
export type Operation = 'publish' | 'request' | 'process' | 'respond'

/** Values of `messaging.operation.type`. */
const TYPES: Readonly<Record<Operation, string>> = {
  publish: 'send',
  request: 'send',
  process: 'process',
  respond: 'process',
}

/** Errors whose messages contain values of the data or of params. */
const QUOTING: ReadonlySet<SpanwireErrorCode> = new Set(['invalid-data', 'invalid-params'])

/**
 * Returns the attributes at the start of a span, which samplers can use.
 * Source: OpenTelemetry's semantic conventions, Messaging spans, "Messaging attributes".
 * @param template the event's name in the contract, which has a low cardinality
 * @param subject undefined if the params are not valid
 */
export function attributesOf(
  operation: Operation,
  template: string,
  subject: string | undefined,
  queue?: string,
): Attributes {
  return {
    'messaging.system': 'nats',
    'messaging.operation.name': operation,
    'messaging.operation.type': TYPES[operation],
    'messaging.destination.template': template,
    ...(subject !== undefined && { 'messaging.destination.name': subject }),
    ...(queue !== undefined && { 'messaging.consumer.group.name': queue }),
  }
}

/** Adds attributes of an event. `known` is called only if the span is recorded. */
export function describe(
  span: Span,
  known: () => { readonly id?: string | undefined; readonly size?: number; readonly seq?: number | undefined },
): void {
  if (!span.isRecording()) return
  const { id, size, seq } = known()
  if (id) span.setAttribute('messaging.message.id', id)
  if (size !== undefined) span.setAttribute('messaging.message.body.size', size)
  if (seq !== undefined) span.setAttribute('spanwire.stream.sequence', seq)
}

/** Calls `call` in a context. The span ends when it returns, or when its promise is settled. */
export function during<Result>(span: Span, active: Context, call: () => Result): Result {
  const failed = (error: unknown): never => {
    fail(span, error)
    span.end()
    throw error
  }
  let result: Result
  try {
    result = context.with(active, call)
  } catch (error) {
    return failed(error)
  }
  if (isThenable(result)) {
    const ended = (value: unknown) => {
      span.end()
      return value
    }
    return Promise.resolve(result).then(ended, failed) as Result
  }
  span.end()
  return result
}

/** Source: OpenTelemetry's semantic conventions, "Recording errors". */
function fail(span: Span, error: unknown): void {
  if (!span.isRecording()) return
  const isOurs = isSpanwireError(error)
  const type = isOurs ? error.code : isError(error) ? error.name : '_OTHER'
  span.setAttribute('error.type', type)
  if (!isError(error) || (isOurs && QUOTING.has(error.code))) {
    span.setStatus({ code: SpanStatusCode.ERROR })
    if (isOurs) span.recordException({ code: type, name: error.name })
  } else {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message })
    span.recordException(error)
  }
}
