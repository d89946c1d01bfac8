import type { Audit } from '../audit.ts'
import { connecting } from './connecting.ts'
import { contract } from './contract.ts'
import { credentials } from './credentials.ts'
import { inboxes } from './inboxes.ts'
import { keepAlive } from './keep-alive.ts'
import { lineRules } from './line-rules.ts'
import { publishChecks } from './publish-checks.ts'
import { publishing } from './publishing.ts'
import { replay } from './replay.ts'
import { requests } from './requests.ts'
import { slowConsumers } from './slow-consumers.ts'
import { subscribing } from './subscribing.ts'
import { transport } from './transport.ts'
import { upstreamState } from './upstream-state.ts'

/** All audits. The outage of the broker is last, because it affects all clients. */
export const audits: readonly Audit[] = [
  ...transport,
  ...lineRules,
  ...connecting,
  ...keepAlive,
  ...publishing,
  ...publishChecks,
  ...subscribing,
  ...requests,
  ...replay,
  ...credentials,
  ...inboxes,
  ...contract,
  ...slowConsumers,
  ...upstreamState,
]
