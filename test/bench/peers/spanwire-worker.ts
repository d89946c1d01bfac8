/** Spanwire's Worker, for whoever comes. */
import { createWorker } from '../../../worker/worker.ts'

const everything = { allow: ['>'], deny: [] }
const made = createWorker({ auth: { anonymous: { publish: everything, subscribe: everything } } })

export const SpanwireHub: typeof made.SpanwireHub = made.SpanwireHub
export default made.worker
