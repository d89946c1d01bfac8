/** Subscriptions that need more than NATS's SUB: loaded with the first of them. */
import { replayList } from '../replay/event-list.ts'
import { replay } from '../replay/replay.ts'
import { subscribeConflated } from './conflated.ts'
import { watchInterruptions } from './interruptions.ts'

export { replay, replayList, subscribeConflated, watchInterruptions }
