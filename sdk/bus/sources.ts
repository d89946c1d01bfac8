/** Subscriptions that need more than NATS's SUB: loaded with the first of them. */
import { replayEvents } from '../replay/event-list.ts'
import { subscribeConflated } from './conflated.ts'
import { watchInterruptions } from './interruptions.ts'

export { replayEvents, subscribeConflated, watchInterruptions }
