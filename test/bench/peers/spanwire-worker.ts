/** Spanwire's Worker with anonymous access. */
import { createWorker } from '../../../worker/worker.ts'
import { openToAll } from '../../support/open-to-all.ts'

const made = createWorker({ auth: openToAll })

export const SpanwireHub: typeof made.SpanwireHub = made.SpanwireHub
export default made.worker
