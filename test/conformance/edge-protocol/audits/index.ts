import type { Audit } from '../audit.ts'
import { additions } from './additions.ts'
import { connecting } from './connecting.ts'
import { keepAlive } from './keep-alive.ts'
import { lineRules } from './line-rules.ts'
import { publishing } from './publishing.ts'
import { replay } from './replay.ts'
import { requests } from './requests.ts'
import { subscribing } from './subscribing.ts'
import { transport } from './transport.ts'

/** All audits, in the order of PROTOCOL.md. The broker's outage comes last: it disturbs everybody. */
export const audits: readonly Audit[] = [
  ...transport,
  ...lineRules,
  ...connecting,
  ...keepAlive,
  ...publishing,
  ...subscribing,
  ...requests,
  ...replay,
  ...additions,
]
