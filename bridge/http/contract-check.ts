import { isThenable } from '../../sdk/kit/kinds.ts'
import type { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Identity } from '../auth/identity.ts'
import { costOf, LATE, toError, type Violation } from '../contract/violation.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { rateLimited } from './submission.ts'

/** Messages of one batch that are checked at the same time. */
const AT_ONCE = 32

/** Why the contract refuses a message of an HTTP request. Synchronous if the schema and the application are. */
function findError(
  hub: HubCore,
  identity: Identity,
  message: UpstreamMessage,
): SpanwireError | undefined | Promise<SpanwireError | undefined> {
  const subject = clientSubject(identity, message)
  const verdict = hub.contract?.publish(identity, { ...message, subject })
  const conclude = (violation: Violation | undefined) => {
    if (violation?.violates === 'data') hub.users.meterOf(identity.user).charge(costOf(violation), hub.clock())
    return violation && toError(violation, subject)
  }
  return isThenable(verdict) ? verdict.then(conclude) : conclude(verdict)
}

/** The subject as the client named it. */
function clientSubject({ subjectPrefix }: Identity, { subject }: UpstreamMessage): string {
  return subjectPrefix === undefined ? subject : subject.slice(subjectPrefix.length + 1)
}

/** @throws SpanwireError (as rejection) `invalid-data`, `permission-denied` */
export async function checkContract(hub: HubCore, identity: Identity, message: UpstreamMessage): Promise<void> {
  const error = await findError(hub, identity, message)
  if (error) throw error
}

/**
 * The messages of a batch, with errors in place of refused ones. After a decision that came too late, the rest is refused:
 * otherwise one batch would wait for hours. The same applies once its issues have used up the rate of the user.
 */
export async function checkBatch(
  hub: HubCore,
  identity: Identity,
  messages: ReadonlyArray<UpstreamMessage | SpanwireError>,
): Promise<ReadonlyArray<UpstreamMessage | SpanwireError>> {
  if (!hub.contract) return messages
  const checked: Array<UpstreamMessage | SpanwireError> = []
  let isLate = false
  for (let at = 0; at < messages.length; at += AT_ONCE) {
    const results = await Promise.all(
      messages.slice(at, at + AT_ONCE).map(async (message) => {
        if ('code' in message) return message
        if (hub.users.meterOf(identity.user).isInDebt(hub.clock())) return rateLimited()
        if (isLate) return toError({ violates: 'permission', reason: LATE }, clientSubject(identity, message))
        return (await findError(hub, identity, message)) ?? message
      }),
    )
    isLate ||= results.some((result) => 'code' in result && result.message.endsWith(LATE))
    checked.push(...results)
  }
  return checked
}
