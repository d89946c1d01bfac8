/** Spanwire's Worker with anonymous access and a flush window. */
import { createWorker } from '../../../worker/worker.ts'
import { openToAll } from '../../support/open-to-all.ts'

const made = createWorker({ flushWindow: 10, auth: openToAll })

export const SpanwireHub: typeof made.SpanwireHub = made.SpanwireHub
export default made.worker
