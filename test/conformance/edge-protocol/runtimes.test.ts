import { describe } from 'vitest'
import { type Runtime, startHost } from '../../support/process-host.ts'
import { isSkipped } from '../../support/runtimes.ts'
import type { AuditTarget } from './audit.ts'
import { auditEndpoint } from './suite.ts'
import { AUDIT_SECRET, auditLimits, bridgeCredentials, onNatsServer, toEndpoint } from './targets.ts'

describe.skipIf(isSkipped('bun'))('Bun', () =>
  auditEndpoint('bridge on Bun, nats-server behind it', () => onNatsServer(({ url }) => runtimeTarget('bun', url))),
)
describe.skipIf(isSkipped('deno'))('Deno', () =>
  auditEndpoint('bridge on Deno, nats-server behind it', () => onNatsServer(({ url }) => runtimeTarget('deno', url))),
)

// Bun 1.4 sometimes ends a connection without a close code if the client sends while much is still on its way to it.
// X-8 does that.
const { maxPending: _, ...withoutMaxPending } = auditLimits

async function runtimeTarget(runtime: Runtime, upstream: string): Promise<AuditTarget> {
  const auth = { secret: AUDIT_SECRET, clockTolerance: 0 }
  const [host, checked] = await Promise.all([
    startHost(runtime, { upstream, auth, limits: auditLimits }),
    startHost(runtime, { upstream, auth, log: 'off' }, 'test/conformance/edge-protocol/audited-contract.ts'),
  ])
  return {
    url: toEndpoint(host.url),
    contract: { url: toEndpoint(checked.url) },
    isBridge: true,
    credentials: await bridgeCredentials(),
    limits: runtime === 'bun' ? withoutMaxPending : auditLimits,
    close: async () => void (await Promise.all([host.stop(), checked.stop()])),
  }
}
