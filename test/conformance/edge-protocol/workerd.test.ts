import { startWorker } from '../../support/workerd.ts'
import type { AuditTarget } from './audit.ts'
import { auditEndpoint } from './suite.ts'
import { AUDIT_SECRET, auditLimits, bridgeCredentials, onNatsServer } from './targets.ts'

auditEndpoint('Worker in workerd, nats-server behind it', () => onNatsServer(({ url }) => workerTarget(url)))

auditEndpoint('Worker in workerd, embedded broker', () => workerTarget('embedded'))

async function workerTarget(upstream: string): Promise<AuditTarget> {
  const worker = await startWorker({ secret: AUDIT_SECRET, upstream, main: 'test/workerd/audited.ts' })
  return {
    url: `${worker.url.replace('http', 'ws')}/nats`,
    isBridge: true,
    credentials: await bridgeCredentials(),
    limits: auditLimits,
    close: () => worker.stop(),
  }
}
