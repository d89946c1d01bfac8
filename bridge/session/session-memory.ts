import { type Account, type AccountOwner, type Budget, type Shortage, UNIDENTIFIED } from '../budget/budget.ts'
import { type Client, shareOf } from '../delivery/client.ts'
import type { ClientSocket } from '../delivery/client-socket.ts'
import type { SendQueue } from '../delivery/send-queue.ts'
import type { Answers } from './answers.ts'
import type { OperationReader } from './operation-reader.ts'
import type { PendingPublishes } from './pending-publishes.ts'
import type { Subscriptions } from './subscriptions.ts'

/** A client with fewer unsent bytes reads. */
const READING = 64 * 1024

/** The parts of a session that take memory. */
export interface SessionParts {
  readonly client: Client
  readonly socket: ClientSocket
  readonly reader: OperationReader
  readonly sendQueue: SendQueue
  readonly subscriptions: Subscriptions
  readonly answers: Answers
  readonly pending: PendingPublishes
}

/** Memory that the hub holds for one connection, in the budget of its user. */
export class SessionMemory implements AccountOwner {
  readonly #parts: SessionParts
  readonly #account: Account
  readonly #end: () => void

  /** @param end closes the connection with its reason */
  constructor(budget: Budget, parts: SessionParts, end: () => void) {
    this.#parts = parts
    this.#end = end
    this.#account = budget.open(UNIDENTIFIED, this)
  }

  /** A part takes more or less memory. */
  changed(): void {
    this.#account.refresh()
  }

  /** The client has authenticated. */
  identified(): void {
    this.#account.move(shareOf(this.#parts.client))
  }

  measure(): number {
    const { client, socket, reader, sendQueue, subscriptions, answers, pending } = this.#parts
    const held = socket.held ?? socket.unsent ?? 0
    const output = sendQueue.held.bytes + answers.memory
    return held + reader.memory + pending.memory + output + subscriptions.memory + client.replies.memory
  }

  evict(_: Shortage): void {
    const { socket } = this.#parts
    const isReading = (socket.unsent ?? socket.held ?? 0) < READING
    // The rest of an unfinished message would take memory until the socket is closed.
    socket.pause?.()
    this.#end()
    // A client that does not read gets no reason, and its unsent bytes must not stay.
    if (!isReading) socket.terminate?.()
  }

  /** The socket is closed. */
  close(): void {
    this.#account.close()
  }
}
