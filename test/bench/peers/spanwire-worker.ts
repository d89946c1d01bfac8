/** Spanwire's Worker, for whoever comes. */
import { createWorker } from '../../../worker/worker.ts'
import { openToAll } from '../../support/open-to-all.ts'

const made = createWorker({ auth: openToAll })

export const SpanwireHub: typeof made.SpanwireHub = made.SpanwireHub
export default made.worker
