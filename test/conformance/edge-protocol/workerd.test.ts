import { startWorker } from '../../support/workerd.ts'
import type { AuditTarget } from './audit.ts'
import { auditEndpoint } from './suite.ts'
import { AUDIT_SECRET, auditLimits, bridgeCredentials, onNatsServer, toEndpoint } from './targets.ts'

auditEndpoint('Worker in workerd, nats-server behind it', () => onNatsServer(({ url }) => workerTarget(url)))

auditEndpoint('Worker in workerd, embedded broker', () => workerTarget('embedded'))

async function workerTarget(upstream: string): Promise<AuditTarget> {
  const start = (main: string) => startWorker({ secret: AUDIT_SECRET, upstream, main })
  const [worker, checked] = await Promise.all([
    start('test/workerd/audited.ts'),
    // The contract with the embedded broker is audited on Node. A second Worker takes 1.3 s to start.
    upstream === 'embedded' ? undefined : start('test/workerd/audited-contract.ts'),
  ])
  return {
    url: toEndpoint(worker.url),
    ...(checked && { contract: { url: toEndpoint(checked.url) } }),
    isBridge: true,
    credentials: await bridgeCredentials(),
    limits: auditLimits,
    close: async () => void (await Promise.all([worker.stop(), checked?.stop()])),
  }
}
