import type { Branch } from '../upstream/branches.ts'
import { isNoResponders } from '../upstream/upstream-message.ts'
import type { SessionHub } from './session-hub.ts'
import type { Subscriptions } from './subscriptions.ts'

/**
 * Opens a client's own connection to the broker. It takes over publishes, and the 503 statuses of requests.
 * @returns undefined if there are too many
 */
export function openBranch(
  { branches }: Pick<SessionHub, 'branches'>,
  subscriptions: Subscriptions,
): Branch | undefined {
  const { identity, scope } = subscriptions.client
  const branch = branches.open(identity.user)
  if (!branch) return undefined
  subscriptions.branch = branch.upstream
  branch.upstream.subscribe(`${scope.inboxes}>`, undefined, (message) => {
    if (isNoResponders(message)) subscriptions.deliverStatus(message)
  })
  return branch
}
