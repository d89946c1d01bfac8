/** Checks of JetStream and of the contract's streams. */
import type { Events } from '../../../sdk/contract/contract.ts'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { planStreams, type StreamPlan } from '../../../sdk/streams/index.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../../../sdk/wire/errors.ts'
import { askJetStream } from '../connection/jetstream-lists.ts'
import { rawSubscription } from '../connection/raw-subscription.ts'
import type { EventDescription } from '../contract/event-description.ts'
import { type Finding, fail, ok, skip, warn } from './finding.ts'
import { PATIENCE } from './reach.ts'

export interface StreamCheck {
  readonly contract: Events
  readonly events: readonly EventDescription[]
  readonly options: Parameters<typeof planStreams>[2]
}

/** @param check undefined where no contract is named */
export async function checkStreams(transport: Transport, check: StreamCheck | undefined): Promise<Finding[]> {
  const stored = check?.events.filter(({ stream }) => stream !== undefined) ?? []
  const jetStream = await checkJetStream(transport, stored.length > 0)
  if (jetStream.verdict === 'fail') return [jetStream]
  if (!check)
    return [jetStream, skip('streams', 'no contract was named', 'Give --contract events.ts to check its streams.')]
  if (stored.length === 0) return [jetStream, ok('streams', 'no event of the contract needs one')]
  try {
    return [jetStream, ...(await planStreams(check.contract, transport, check.options)).map(describe)]
  } catch (error) {
    if (!isSpanwireError(error, 'permission-denied') && !isSpanwireError(error, 'timeout')) throw error
    // A page's token has no access to a stream's configuration. A subscription shows whether the stream exists.
    return [jetStream, ...(await Promise.all(stored.map((event) => tryReplay(transport, event))))]
  }
}

async function checkJetStream(transport: Transport, isNeeded: boolean): Promise<Finding> {
  try {
    await askJetStream(transport, 'INFO', {})
    return ok('JetStream', 'it is turned on')
  } catch (error) {
    if (isSpanwireError(error, 'permission-denied') || isSpanwireError(error, 'timeout'))
      return skip(
        'JetStream',
        'these credentials have no access to it',
        'Allow publish to $JS.API.INFO to see more, or use a token of an operator.',
      )
    const bad = isNeeded ? fail : warn
    return bad(
      'JetStream',
      messageOf(error),
      'Start nats-server with -js, or enable JetStream for the account of the bridge.',
    )
  }
}

function describe({ stream, did, changes, losses, before, after }: StreamPlan): Finding {
  if (did === 'unchanged') return ok('stream', `${stream} is as declared`)
  if (did === 'created')
    return fail(
      'stream',
      `${stream} is not made: events for it are refused`,
      'Make it: spanwire streams apply events.ts',
    )
  const parts = changes.map(
    (field) => `${field} is ${JSON.stringify(before?.[field])}, declared ${JSON.stringify(after[field])}`,
  )
  const isMissing = changes.includes('subjects')
  return (isMissing ? fail : warn)(
    'stream',
    `${stream} differs: ${parts.join('; ')}`,
    losses.length > 0 ? 'List the losses: spanwire streams plan' : 'Bring it up to date: spanwire streams apply',
  )
}

async function tryReplay(transport: Transport, { name, filter, stream }: EventDescription): Promise<Finding> {
  const subscription = rawSubscription(transport, filter, { from: 'new' })
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new SpanwireError('timeout', `no answer in ${PATIENCE} ms`)), PATIENCE).unref?.()
  })
  try {
    await Promise.race([subscription.ready, late])
    return ok('stream', `${stream} keeps ${name}`)
  } catch (error) {
    if (isSpanwireError(error, 'stream-not-found'))
      return fail(
        'stream',
        `${stream} is not made, or does not keep ${name}`,
        'Make it: spanwire streams apply events.ts',
      )
    return warn(
      'stream',
      `${name} can't be read from its stream: ${messageOf(error)}`,
      'Allow to subscribe to it, or use a token of an operator.',
    )
  } finally {
    subscription.unsubscribe()
  }
}
