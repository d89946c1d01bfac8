import { createWorker } from '../../worker/index.ts'

/** A main module for audits only. `auditLimits` has the same limits for bridges in this process. */
const { worker, SpanwireHub } = createWorker({
  auth: { secret: 'the secret of bridges that are under audit', clockTolerance: 0 },
  limits: {
    connectTimeout: 1_000,
    pingInterval: 1_000,
    maxSubscriptions: 100,
    maxPending: 2 * 1024 * 1024,
    publishRate: { messages: 1_000_000, bytes: 1024 * 1024 * 1024 },
  },
})

export { SpanwireHub }
export default worker
