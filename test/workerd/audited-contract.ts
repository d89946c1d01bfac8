import { createWorker } from '../../worker/index.ts'
import { auditedContract } from '../conformance/edge-protocol/audited-contract.ts'

/** A main module for audits only: a Worker that knows a contract, as worker/README.md deploys it. */
const { worker, SpanwireHub } = createWorker({
  auth: { secret: 'the secret of bridges that are under audit', clockTolerance: 0 },
  ...auditedContract,
})

export { SpanwireHub }
export default worker
