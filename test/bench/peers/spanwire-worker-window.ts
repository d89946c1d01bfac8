/** Spanwire's Worker, for whoever comes, with a flush window. */
import { createWorker } from '../../../worker/worker.ts'

const everything = { allow: ['>'], deny: [] }
const made = createWorker({ flushWindow: 10, auth: { anonymous: { publish: everything, subscribe: everything } } })

export const SpanwireHub: typeof made.SpanwireHub = made.SpanwireHub
export default made.worker
